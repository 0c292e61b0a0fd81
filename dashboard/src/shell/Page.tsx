// A page: its bar with title and tools, and its content.

import { type ReactNode, useEffect, useState } from "react";
import { May } from "../lib/session";
import { useLive } from "../live/LiveProvider";
import { Button, ButtonLink } from "../ui/Button";
import { Icon } from "../ui/Icon";
import { Account } from "./Account";
import { useOpenPalette } from "./paletteContext";

interface Props {
  title: string;
  /** What stands beside the title. */
  beside?: ReactNode;
  children: ReactNode;
}

export function Page({ title, beside, children }: Props) {
  useEffect(() => {
    document.title = `${title} · nexq`;
  }, [title]);
  return (
    <>
      <header className="top">
        <h1>{title}</h1>
        {beside}
        <Tools />
      </header>
      <main className="main" id="main" tabIndex={-1}>
        <Stale />
        {children}
      </main>
    </>
  );
}

/** How long the stream may be away before it is said aloud: a browser is back from most breaks at once. */
const AWAY_MS = 4000;

/** On a screen on the wall one must see that figures stand still. */
function Stale() {
  const { status } = useLive();
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (status !== "away") {
      if (status === "live") setLate(false);
      return;
    }
    const timer = setTimeout(() => setLate(true), AWAY_MS);
    return () => clearTimeout(timer);
  }, [status]);
  if (!late) return null;
  return (
    <div className="notice" data-tone="amber" role="alert">
      The server does not answer: what you see may be old. It is asked again and again.
    </div>
  );
}

const WORDS = { live: "Live", connecting: "Connecting", paused: "Paused", away: "Not connected" };

function Tools() {
  const openPalette = useOpenPalette();
  const { status, paused, setPaused } = useLive();
  return (
    <div className="top-tools">
      <span className="live" data-status={status} title={WORDS[status]}>
        <span className="live-dot" />
        <span className="live-text" role="status">
          {WORDS[status]}
        </span>
      </span>
      <Button
        look="quiet"
        icon={paused ? "play" : "pause"}
        aria-label={paused ? "Go on with live updates" : "Pause live updates"}
        onClick={() => setPaused(!paused)}
      />
      <button type="button" className="button find" onClick={openPalette}>
        <Icon name="search" />
        Find or go to
        <kbd>{navigator.platform.startsWith("Mac") ? "⌘K" : "Ctrl K"}</kbd>
      </button>
      <span className="only-narrow">
        <Button look="quiet" icon="search" aria-label="Find or go to" onClick={openPalette} />
      </span>
      <May scope="write">
        <span className="wide-only">
          <ButtonLink to="/new" look="main" icon="plus">
            New job
          </ButtonLink>
        </span>
      </May>
      <Account />
    </div>
  );
}
