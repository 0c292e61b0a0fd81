// A few choices side by side, one of them taken.

interface Props<T extends string> {
  label: string;
  value: T;
  /** Value and name. */
  choices: readonly (readonly [T, string])[];
  onPick: (value: T) => void;
}

export function Segments<T extends string>({ label, value, choices, onPick }: Props<T>) {
  return (
    <div className="segments" role="group" aria-label={label}>
      {choices.map(([each, name]) => (
        <button type="button" key={each} aria-pressed={value === each} onClick={() => onPick(each)}>
          {name}
        </button>
      ))}
    </div>
  );
}
