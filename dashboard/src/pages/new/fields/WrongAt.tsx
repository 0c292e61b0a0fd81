export function WrongAt({ wrong }: { wrong: string | undefined }) {
  return wrong ? (
    <span className="wrong" role="alert">
      {wrong}
    </span>
  ) : null;
}
