// The frame of every page: navigation, the page's bar, live events, the palette.

import { useQuery } from "@tanstack/react-query";
import { Suspense, useState } from "react";
import { Link, NavLink, Outlet, useLocation } from "react-router";
import { keys } from "../api/keys";
import { getCounts } from "../api/overview";
import icon from "../icon.svg";
import { short } from "../lib/format";
import { useSession } from "../lib/session";
import { LiveProvider } from "../live/LiveProvider";
import { Loading } from "../ui/bits";
import { Icon } from "../ui/Icon";
import { NAV, type Place } from "./nav";
import { PageBoundary } from "./PageBoundary";
import { Palette } from "./Palette";
import { PaletteContext } from "./paletteContext";
import { ShortcutHelp } from "./ShortcutHelp";
import { useShortcuts } from "./useShortcuts";

export function Shell() {
  return (
    <LiveProvider>
      <Frame />
    </LiveProvider>
  );
}

function Frame() {
  const [open, setOpen] = useState<"palette" | "help" | null>(null);
  const location = useLocation();
  useShortcuts({ palette: () => setOpen("palette"), help: () => setOpen("help") });
  return (
    <PaletteContext.Provider value={() => setOpen("palette")}>
      <a className="skip" href={`${location.pathname}#main`} onClick={focusMain}>
        Skip to the content
      </a>
      <div className="shell">
        <Side />
        <div>
          <PageBoundary key={location.pathname}>
            <Suspense fallback={<Loading />}>
              <Outlet />
            </Suspense>
          </PageBoundary>
        </div>
      </div>
      {open === "palette" && <Palette onClose={() => setOpen(null)} />}
      {open === "help" && <ShortcutHelp onClose={() => setOpen(null)} />}
    </PaletteContext.Provider>
  );
}

function focusMain(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Side() {
  const { me, may } = useSession();
  const counts = useQuery({ queryKey: keys.counts(""), queryFn: ({ signal }) => getCounts("", signal) });
  const dead = counts.data?.counts.dead ?? 0;
  const groups = NAV.map((group) => group.filter((place) => !place.scope || may(place.scope)));
  return (
    <aside className="side">
      <Link to="/" className="brand">
        <img src={icon} alt="" />
        nexq
        {me.version && <small>{me.version}</small>}
      </Link>
      {groups
        .filter((group) => group.length > 0)
        .map((group) => (
          <nav className="nav" key={group[0]?.path} aria-label={group === groups[0] ? "Main" : "More"}>
            {group.map((place) => (
              <NavItem key={place.path} place={place} mark={place.path === "/dead" ? dead : 0} />
            ))}
          </nav>
        ))}
      <div className="side-foot">
        {me.namespace && me.namespace !== "nexq" && (
          <span className="faint small">namespace {me.namespace}</span>
        )}
      </div>
    </aside>
  );
}

function NavItem({ place, mark }: { place: Place; mark: number }) {
  return (
    <NavLink to={place.path} end={place.path === "/"}>
      <Icon name={place.icon} />
      {place.name}
      {mark > 0 && <span className="badge">{short(mark)}</span>}
    </NavLink>
  );
}
