import type { Draft } from "../../../lib/schema/draft";
import type { Wrong } from "../../../lib/schema/read";
import type { Schema } from "../../../lib/schema/schema";

/** What every field of the form gets. */
export interface FieldProps {
  /** Unique on the page. */
  id: string;
  /** Its JSON pointer within the payload. */
  pointer: string;
  /** The member's own name, where it is one: secrets are typed unseen. */
  name: string;
  schema: Schema;
  root: Schema;
  draft: Draft;
  wrong: Wrong;
  onChange: (draft: Draft) => void;
}
