// Handlers, with the JSON Schemas of their payloads.

import type { Schema } from "../lib/schema/schema";
import { get } from "./client";

export interface Handler {
  name: string;
  queue: string;
  priority: number;
  timeout_s?: number | null;
  max_attempts?: number | null;
  mode?: string;
  doc?: string;
  schema?: Schema;
}

export function listHandlers(signal?: AbortSignal): Promise<{ handlers: Handler[] }> {
  return get("api/handlers", {}, signal);
}
