// ⌘K: go to a page, a queue, a handler's form or a job, or search.

import {
  Combobox,
  ComboboxInput,
  ComboboxOption,
  ComboboxOptions,
  Dialog,
  DialogPanel,
} from "@headlessui/react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { listHandlers } from "../api/handlers";
import { keys } from "../api/keys";
import { listQueues } from "../api/queues";
import { useSession } from "../lib/session";
import { setTheme } from "../lib/theme";
import { Icon, type IconName } from "../ui/Icon";
import { NAV } from "./nav";

interface Item {
  name: string;
  kind: string;
  icon: IconName;
  act: () => void;
}

const MOST = 12;

export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const items = useItems(text.trim());
  return (
    <Dialog open onClose={onClose}>
      <div className="veil" aria-hidden="true" />
      <div className="dialog-place">
        <DialogPanel className="dialog palette">
          <Combobox
            immediate
            onChange={(item: Item | null) => {
              if (!item) return;
              onClose();
              item.act();
            }}
          >
            <div className="palette-field">
              <Icon name="search" />
              <ComboboxInput
                autoFocus
                aria-label="Find a page, a queue, a handler, a job"
                placeholder="A page, a queue, a handler, a job's id, any text"
                autoComplete="off"
                spellCheck={false}
                onChange={(event) => setText(event.target.value)}
              />
            </div>
            <ComboboxOptions static modal={false} className="palette-list">
              {items.map((item) => (
                <ComboboxOption key={`${item.kind} ${item.name}`} value={item} className="palette-item">
                  <Icon name={item.icon} />
                  <span className="clip">{item.name}</span>
                  <span className="faint small push">{item.kind}</span>
                </ComboboxOption>
              ))}
            </ComboboxOptions>
          </Combobox>
        </DialogPanel>
      </div>
    </Dialog>
  );
}

function useItems(text: string): Item[] {
  const navigate = useNavigate();
  const client = useQueryClient();
  const { may } = useSession();
  const handlers = useQuery({ queryKey: keys.handlers, queryFn: ({ signal }) => listHandlers(signal) });
  const queues = useQuery({ queryKey: keys.queues, queryFn: ({ signal }) => listQueues(signal) });
  const to = (path: string) => () => navigate(path);

  const places = NAV.flat().filter((place) => !place.scope || may(place.scope));
  const items: Item[] = places.map((p) => ({ name: p.name, kind: "page", icon: p.icon, act: to(p.path) }));
  if (may("write")) items.push({ name: "New job", kind: "page", icon: "plus", act: to("/new") });
  for (const queue of queues.data?.queues ?? []) {
    const act = to(`/jobs?queue=${encodeURIComponent(queue.name)}`);
    items.push({ name: queue.name, kind: "queue", icon: "queues", act });
  }
  for (const { name } of may("write") ? (handlers.data?.handlers ?? []) : []) {
    items.push({ name, kind: "new job of", icon: "plus", act: to(`/new?type=${encodeURIComponent(name)}`) });
  }
  items.push(
    { name: "Light theme", kind: "theme", icon: "sun", act: () => setTheme("light") },
    { name: "Dark theme", kind: "theme", icon: "moon", act: () => setTheme("dark") },
    { name: "Theme as the system", kind: "theme", icon: "screen", act: () => setTheme("system") },
    { name: "Read everything anew", kind: "do", icon: "retry", act: () => void client.invalidateQueries() },
  );
  const wanted = text.toLowerCase();
  const found = items.filter((item) => item.name.toLowerCase().includes(wanted)).slice(0, MOST);
  if (!text) return found;
  const search: Item = {
    name: text,
    kind: "jobs with this text",
    icon: "search",
    act: to(`/jobs?q=${encodeURIComponent(text)}`),
  };
  const open: Item = {
    name: text,
    kind: "job with this id",
    icon: "jobs",
    act: to(`/jobs/${encodeURIComponent(text)}`),
  };
  return /^[A-Za-z0-9_-]{8,}$/.test(text) && found.length === 0 ? [open, search] : [...found, search, open];
}
