// The search field and the chips of what is searched for.

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { listHandlers } from "../../api/handlers";
import type { JobFilter } from "../../api/jobs";
import { keys } from "../../api/keys";
import { listQueues } from "../../api/queues";
import { chipsOf, type Field, parseSearch, withoutChip } from "../../lib/filter";
import { Icon } from "../../ui/Icon";

const LABELS: Partial<Record<Field, string>> = { q: "text", type: "handler", fingerprint: "error" };

interface Props {
  filter: JobFilter;
  onChange: (filter: JobFilter) => void;
  autoFocus: boolean;
}

export function SearchBar({ filter, onChange, autoFocus }: Props) {
  const [text, setText] = useState("");
  const queues = useQuery({ queryKey: keys.queues, queryFn: ({ signal }) => listQueues(signal) });
  const handlers = useQuery({ queryKey: keys.handlers, queryFn: ({ signal }) => listHandlers(signal) });
  return (
    <div className="search">
      <form
        className="search-form"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim()) onChange({ ...filter, ...parseSearch(text) });
          setText("");
        }}
      >
        <Icon name="search" />
        {chipsOf(filter).map((chip) => (
          <span className="chip" key={`${chip.field}:${chip.value}`}>
            <span className="faint">{LABELS[chip.field] ?? chip.field}</span>
            <span className="data clip">{chip.value}</span>
            <button
              type="button"
              aria-label={`Remove ${chip.field} ${chip.value}`}
              onClick={() => onChange(withoutChip(filter, chip))}
            >
              <Icon name="close" />
            </button>
          </span>
        ))}
        <input
          id="job-search"
          aria-label="Search the jobs"
          placeholder={
            chipsOf(filter).length > 0
              ? "and…"
              : "Text, or queue:mail  handler:send_email  tag:eu  worker:…  id:…"
          }
          // biome-ignore lint/a11y/noAutofocus: asked for by the key that led here
          autoFocus={autoFocus}
          autoComplete="off"
          spellCheck={false}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            const last = chipsOf(filter).at(-1);
            if (event.key === "Backspace" && text === "" && last) onChange(withoutChip(filter, last));
          }}
        />
      </form>
      <Pick
        name="Queue"
        value={filter.queue ?? ""}
        options={queues.data?.queues.map((queue) => queue.name) ?? []}
        onPick={(queue) => onChange({ ...filter, queue })}
      />
      <Pick
        name="Handler"
        value={filter.type ?? ""}
        options={handlers.data?.handlers.map((handler) => handler.name) ?? []}
        onPick={(type) => onChange({ ...filter, type })}
      />
    </div>
  );
}

interface PickProps {
  name: string;
  value: string;
  options: string[];
  onPick: (value: string) => void;
}

function Pick({ name, value, options, onPick }: PickProps) {
  const known = value && !options.includes(value) ? [value, ...options] : options;
  return (
    <select
      className="input"
      data-size="small"
      aria-label={name}
      value={value}
      onChange={(e) => onPick(e.target.value)}
    >
      <option value="">{`Any ${name.toLowerCase()}`}</option>
      {known.map((option) => (
        <option key={option}>{option}</option>
      ))}
    </select>
  );
}
