// The only `fetch` of the dashboard.

import { absolute } from "../lib/base";
import { parseAnswer, toText } from "../lib/exact";

export interface FieldError {
  pointer: string;
  message: string;
}

interface ProblemBody {
  type?: string;
  title?: string;
  detail?: string;
  errors?: FieldError[];
}

/** An answer that says no. `kind` is the word of the problem (docs/rest.md); "unreachable" when there was none. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    detail: string,
    readonly errors: FieldError[] = [],
    readonly body: Record<string, unknown> = {},
  ) {
    super(detail);
    this.name = "Problem";
  }
}

let csrfToken = "";
let onSignedOut: () => void = () => {};

/** What every call that changes something sends along where there is a session. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

/** Whom to tell when an answer says that the session is over. */
export function setOnSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

export type Query = Record<string, string | number | boolean | null | undefined>;

export function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return call<T>("GET", path + queryText(query), undefined, signal);
}

export function post<T>(path: string, body?: unknown): Promise<T> {
  return call<T>("POST", path, body);
}

export function del<T>(path: string): Promise<T> {
  return call<T>("DELETE", path);
}

export function queryText(query: Query): string {
  const pairs = Object.entries(query).filter(
    ([, value]) => value !== undefined && value !== null && value !== "",
  );
  const text = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString();
  return text ? `?${text}` : "";
}

async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET" && csrfToken) headers["X-CSRF-Token"] = csrfToken;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(absolute(path), {
      method,
      headers,
      credentials: "same-origin",
      ...(body === undefined ? {} : { body: toText(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "The server does not answer. Is it still running?");
  }
  const text = await response.text();
  if (response.ok) return (text ? read(text, response) : undefined) as T;
  throw refused(response, text, path);
}

function refused(response: Response, text: string, path: string): Problem {
  if (response.status === 401 && !path.startsWith("api/login")) onSignedOut();
  let body: ProblemBody & Record<string, unknown> = {};
  try {
    body = parseAnswer(text) as ProblemBody & Record<string, unknown>;
  } catch {
    // A proxy's page, perhaps: the status says enough.
  }
  const kind = String(body.type ?? "").replace("urn:nexq:problem:", "") || `http-${response.status}`;
  const detail =
    body.detail ?? body.title ?? `The server answered ${response.status} ${response.statusText}.`;
  return new Problem(response.status, kind, detail, body.errors ?? [], body);
}

function read(text: string, response: Response): unknown {
  try {
    return parseAnswer(text);
  } catch {
    throw new Problem(
      response.status,
      "not-json",
      "The answer is not JSON. Is something between here and the server?",
    );
  }
}
