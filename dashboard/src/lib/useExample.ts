// A command that would work here and now.

import { useQuery } from "@tanstack/react-query";
import { listHandlers } from "../api/handlers";
import { keys } from "../api/keys";
import { shellWord } from "./commands";

/** Submits a job of a handler that is known and needs no arguments; where there is none, of a bundled one. */
export function useExampleCommand(): string {
  const { data } = useQuery({ queryKey: keys.handlers, queryFn: ({ signal }) => listHandlers(signal) });
  const easy = data?.handlers.find((handler) => handler.schema && !handler.schema.required?.length);
  if (!easy || easy.name === "demo:hello") return `nexq enqueue demo:hello '{"name": "Ada"}'`;
  return `nexq enqueue ${shellWord(easy.name)}`;
}
