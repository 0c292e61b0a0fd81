// The control that fits a schema.

import { shapeOf } from "../../../lib/schema/schema";
import { ArrayField } from "./ArrayField";
import { ChoiceField, FlagField } from "./Choices";
import { ObjectField } from "./ObjectField";
import { TextField } from "./TextField";
import type { FieldProps } from "./types";
import { VariantField } from "./VariantField";

export function Field(props: FieldProps) {
  const shape = shapeOf(props.schema, props.root);
  const { draft } = props;
  if (draft.kind === "object" && shape.kind === "object")
    return <ObjectField {...props} draft={draft} shape={shape} />;
  if (draft.kind === "array" && shape.kind === "array")
    return <ArrayField {...props} draft={draft} shape={shape} />;
  if (draft.kind === "variant" && shape.kind === "variants")
    return <VariantField {...props} draft={draft} shape={shape} />;
  if (draft.kind === "choice" && shape.kind === "choice")
    return <ChoiceField {...props} draft={draft} shape={shape} />;
  if (draft.kind === "flag") return <FlagField {...props} draft={draft} />;
  if (draft.kind === "null") return <span className="faint">null</span>;
  if (draft.kind === "text") return <TextField {...props} draft={draft} shape={shape} />;
  return null;
}
