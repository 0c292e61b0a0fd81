// Small pieces that every page uses.

import { type ReactNode, useEffect, useState } from "react";
import { Problem } from "../api/client";
import type { State } from "../api/jobs";
import { copyText } from "../lib/clipboard";
import { ago, clock, moment } from "../lib/time";
import { useNow } from "../lib/useNow";
import { Button } from "./Button";
import { useSay } from "./toast";

export function StateBadge({ state }: { state: State | "paused" | "lost" | "draining" | string }) {
  return (
    <span className="state" data-state={state}>
      {state}
    </span>
  );
}

/** How long ago; the whole moment on hovering. */
export function Ago({ at }: { at: number }) {
  const now = useNow();
  return (
    <time dateTime={new Date(at).toISOString()} title={moment(at)}>
      {ago(at, now)}
    </time>
  );
}

/** The time of day; the whole moment on hovering. */
export function Clock({ at }: { at: number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={moment(at)}>
      {clock(at, Date.now())}
    </time>
  );
}

export function Copy({ text, label = "Copy", size }: { text: string; label?: string; size?: "small" }) {
  const [done, setDone] = useState(false);
  const say = useSay();
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => {
    try {
      await copyText(text);
      setDone(true);
    } catch (error) {
      say.failed(error);
    }
  };
  return (
    <Button
      look="quiet"
      size={size}
      icon={done ? "check" : "copy"}
      aria-label={done ? "Copied" : label}
      onClick={() => void copy()}
    />
  );
}

/** A command to type, with a button that copies it. */
export function Command({ text }: { text: string }) {
  return (
    <span className="command">
      <code>{text}</code>
      <Copy text={text} label="Copy the command" size="small" />
    </span>
  );
}

/** What a page says when there is nothing: what that means, and what to do next. */
export function Empty({
  title,
  children,
  command,
}: {
  title: string;
  children?: ReactNode;
  command?: string;
}) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {command && <Command text={command} />}
    </div>
  );
}

export function Loading() {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 300);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="loading" aria-busy="true">
      {late ? "Loading…" : " "}
    </div>
  );
}

/** What went wrong with a look, and a way to look again. */
export function Failed({ error, again }: { error: unknown; again?: () => void }) {
  const text = error instanceof Problem ? error.message : "The page met an error of its own.";
  return (
    <div className="notice" data-tone="amber" role="alert">
      <span>{text}</span>
      {again && (
        <Button size="small" icon="retry" onClick={again}>
          Look again
        </Button>
      )}
    </div>
  );
}
