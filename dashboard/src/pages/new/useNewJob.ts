// What the form of a new job holds, and the request that it makes.

import { useMemo, useReducer } from "react";
import type { Handler } from "../../api/handlers";
import type { NewJob } from "../../api/jobs";
import { type Json, parseExact, toText } from "../../lib/exact";
import { redact, restore } from "../../lib/redact";
import { type Draft, draftOf, emptyDraft, fits } from "../../lib/schema/draft";
import { readDraft, type Wrong } from "../../lib/schema/read";
import type { Schema } from "../../lib/schema/schema";
import { type Options, optionsOf, readOptions, USUAL } from "./options";

export interface FormState {
  type: string;
  mode: "form" | "json";
  draft: Draft;
  text: string;
  options: Options;
  /** What the job was that this is made from: hidden values are put back from it. */
  original: Json | undefined;
}

export type Change = Partial<FormState> | ((state: FormState) => Partial<FormState>);

export const ANY: Schema = {};
const EMPTY: FormState = {
  type: "",
  mode: "json",
  draft: { kind: "text", text: "{}" },
  text: "{}",
  options: USUAL,
  original: undefined,
};

export function useNewJob() {
  return useReducer((state: FormState, change: Change): FormState => {
    return { ...state, ...(typeof change === "function" ? change(state) : change) };
  }, EMPTY);
}

/** Whether a handler's payload can be filled in field by field. */
export function hasForm(handler: Handler | undefined): handler is Handler & { schema: Schema } {
  return handler?.schema !== undefined && Object.keys(handler.schema).length > 0;
}

/** The state for a handler that was just picked. */
export function forHandler(name: string, handler: Handler | undefined): Partial<FormState> {
  if (!hasForm(handler))
    return { type: name, mode: "json", draft: EMPTY.draft, text: "{}", original: undefined };
  const draft = emptyDraft(handler.schema, handler.schema);
  const payload = readDraft(draft, handler.schema, handler.schema, {});
  return { type: name, mode: "form", draft, text: toText(payload, 2), original: undefined };
}

/** The state for a job like one that was. */
export function likeJob(job: NewJob, handler: Handler | undefined): Partial<FormState> {
  const payload = redact(job.payload) as Json;
  const asForm = hasForm(handler) && fits(payload, handler.schema, handler.schema);
  return {
    type: job.type,
    mode: asForm ? "form" : "json",
    draft: asForm ? draftOf(payload, handler.schema, handler.schema) : EMPTY.draft,
    text: toText(payload, 2),
    options: optionsOf(job),
    original: job.payload as Json,
  };
}

export interface Made {
  job: NewJob;
  wrong: Wrong;
}

/** The request as it stands, and what is wrong with it where. */
export function useMade(state: FormState, handler: Handler | undefined): Made {
  return useMemo(() => {
    const wrong: Wrong = {};
    const payload = restore(readPayload(state, handler, wrong), state.original);
    return { job: { type: state.type, payload, ...readOptions(state.options, wrong) }, wrong };
  }, [state, handler]);
}

function readPayload(state: FormState, handler: Handler | undefined, wrong: Wrong): Json {
  if (state.mode === "form" && hasForm(handler))
    return readDraft(state.draft, handler.schema, handler.schema, wrong);
  return readDraft({ kind: "text", text: state.text }, ANY, ANY, wrong);
}

/** Change between fields and text, taking along what is there. */
export function switchMode(state: FormState, handler: Handler | undefined): Partial<FormState> {
  if (!hasForm(handler)) return {};
  if (state.mode === "form") {
    return { mode: "json", text: toText(readDraft(state.draft, handler.schema, handler.schema, {}), 2) };
  }
  try {
    const value = parseExact(state.text);
    return { mode: "form", draft: draftOf(value, handler.schema, handler.schema) };
  } catch {
    return { mode: "form" };
  }
}
