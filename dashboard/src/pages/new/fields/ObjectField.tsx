// The members of an object: those that must be there, those that may, and any others that are allowed.

import type { ReactNode } from "react";
import { toText } from "../../../lib/exact";
import { addedDraft, type Draft } from "../../../lib/schema/draft";
import { escapePointer } from "../../../lib/schema/read";
import { type Member, resolve, type Schema, type Shape, shapeOf } from "../../../lib/schema/schema";
import { Button } from "../../../ui/Button";
import { Field } from "./Field";
import { OtherMembers } from "./OtherMembers";
import type { FieldProps } from "./types";
import { WrongAt } from "./WrongAt";

type Props = FieldProps & {
  draft: Extract<Draft, { kind: "object" }>;
  shape: Extract<Shape, { kind: "object" }>;
};

export function ObjectField(props: Props) {
  const { id, pointer, root, draft, shape, wrong, onChange } = props;
  const missing = shape.members.filter((member) => !draft.members[member.name]);
  const set = (name: string, value: Draft) =>
    onChange({ ...draft, members: { ...draft.members, [name]: value } });
  const drop = (name: string) => {
    const { [name]: _, ...members } = draft.members;
    onChange({ ...draft, members });
  };
  return (
    <div className={pointer === "" ? "form-members" : "form-members nested"}>
      {shape.members.map((member) => {
        const value = draft.members[member.name];
        const at = `${pointer}/${escapePointer(member.name)}`;
        return (
          value && (
            <Row
              key={member.name}
              id={`${id}-${member.name}`}
              member={member}
              root={root}
              onDrop={() => drop(member.name)}
            >
              <Field
                {...props}
                id={`${id}-${member.name}`}
                pointer={at}
                name={member.name}
                schema={member.schema}
                draft={value}
                onChange={(next) => set(member.name, next)}
              />
              <WrongAt wrong={wrong[at]} />
            </Row>
          )
        );
      })}
      {missing.length > 0 && (
        <div className="row">
          {missing.map((member) => (
            <Button
              key={member.name}
              size="small"
              icon="plus"
              title={hintOf(member.schema, root)}
              onClick={() => set(member.name, addedDraft(member.schema, root))}
            >
              {member.name}
            </Button>
          ))}
        </div>
      )}
      {shape.others && <OtherMembers {...props} others={shape.others} />}
    </div>
  );
}

interface RowProps {
  id: string;
  member: Member;
  root: Schema;
  onDrop: () => void;
  children: ReactNode;
}

function Row({ id, member, root, onDrop, children }: RowProps) {
  const about = resolve(member.schema, root);
  const kind = shapeOf(member.schema, root).kind;
  const whole = kind === "object" || kind === "array";
  const mark = member.required ? (
    <span className="must" title="required">
      {" *"}
    </span>
  ) : (
    <span className="faint"> optional</span>
  );
  return (
    <div className="field" {...(whole ? { role: "group", "aria-label": member.name } : {})}>
      <div className="row">
        {whole ? (
          <span className="label">
            {member.name}
            {mark}
          </span>
        ) : (
          <label className="label" htmlFor={id}>
            {member.name}
            {mark}
          </label>
        )}
        {!member.required && (
          <span className="push">
            <Button
              size="small"
              look="quiet"
              icon="close"
              aria-label={`Leave out ${member.name}`}
              onClick={onDrop}
            />
          </span>
        )}
      </div>
      {about.description && <span className="note">{about.description}</span>}
      {children}
    </div>
  );
}

function hintOf(schema: Schema, root: Schema): string {
  const about = resolve(schema, root);
  const usual = about.default === undefined ? "" : `Left out: ${toText(about.default)}`;
  return [about.description, usual].filter(Boolean).join(" ");
}
