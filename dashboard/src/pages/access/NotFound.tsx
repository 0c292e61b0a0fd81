import { Page } from "../../shell/Page";
import { ButtonLink } from "../../ui/Button";
import { Empty } from "../../ui/bits";

export function NotFound() {
  return (
    <Page title="Not found">
      <div className="card">
        <Empty title="There is no such page">Perhaps the address was cut off.</Empty>
        <p className="empty-more">
          <ButtonLink to="/">To the overview</ButtonLink>
        </p>
      </div>
    </Page>
  );
}
