// Values that stand under a name like "password" are not shown.

import { isExactNumber } from "./exact";

const SECRET =
  /(^|[^a-z])(pass(word|wd|phrase|code)?|pwd|secret|token|api[-_ ]?key|auth(orization)?|bearer|cookie|credentials?|private[-_ ]?key|access[-_ ]?key|session([-_ ]?id)?|csrf|signature|pin|cvv|cvc|ssn|iban|card[-_ ]?number)([^a-z]|$)/i;
const SPLIT = /([a-z0-9])([A-Z])/g;

/** What stands in a hidden value's place. */
export const HIDDEN = "••••••";

/** Whether a member's name says that its value is a secret. */
export function isSecretName(name: string): boolean {
  return SECRET.test(name.replace(SPLIT, "$1_$2"));
}

/** A copy in which secrets are hidden. */
export function redact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redact);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      isSecretName(key) && !isEmpty(member) ? HIDDEN : redact(member),
    ]),
  );
}

/** An edited copy with what is still hidden in it put back from the original. */
export function restore(edited: unknown, original: unknown): unknown {
  if (Array.isArray(edited)) {
    return edited.map((item, i) => restore(item, Array.isArray(original) ? original[i] : undefined));
  }
  if (!isRecord(edited)) return edited;
  const before = isRecord(original) ? original : {};
  return Object.fromEntries(
    Object.entries(edited).map(([key, member]) => [
      key,
      member === HIDDEN && isSecretName(key) && key in before ? before[key] : restore(member, before[key]),
    ]),
  );
}

/** Whether anything in a value would be hidden. */
export function hasSecrets(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasSecrets);
  return (
    isRecord(value) &&
    Object.entries(value).some(([k, v]) => (isSecretName(k) && !isEmpty(v)) || hasSecrets(v))
  );
}

function isEmpty(value: unknown): boolean {
  return value === null || value === "" || value === undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isExactNumber(value);
}
