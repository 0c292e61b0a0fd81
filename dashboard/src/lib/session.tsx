// Who is here, and what that allows: what one may not do is not shown.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useMemo } from "react";
import { Navigate, useLocation } from "react-router";
import { getMe, type Me, type Scope } from "../api/access";
import { Problem, setOnSignedOut } from "../api/client";
import { keys } from "../api/keys";
import { Failed, Loading } from "../ui/bits";

const ORDER: Scope[] = ["read", "write", "admin"];

interface Session {
  me: Me;
  may: (scope: Scope) => boolean;
}

const Context = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error("useSession is for what is inside of SignedIn");
  return session;
}

/** Shows its children to those whose token allows it. */
export function May({ scope, children }: { scope: Scope; children: ReactNode }) {
  return useSession().may(scope) ? children : null;
}

/** What is shown to whom the server knows; others are led to the sign-in, and back afterwards. */
export function SignedIn({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const location = useLocation();
  const {
    data: me,
    error,
    refetch,
  } = useQuery({ queryKey: keys.me, queryFn: ({ signal }) => getMe(signal) });

  useEffect(() => {
    setOnSignedOut(() => client.invalidateQueries({ queryKey: keys.me }));
    return () => setOnSignedOut(() => {});
  }, [client]);

  const session = useMemo<Session | null>(
    () => (me ? { me, may: (scope) => ORDER.indexOf(me.scope) >= ORDER.indexOf(scope) } : null),
    [me],
  );
  if (error instanceof Problem && error.status === 401) {
    const from = location.pathname + location.search;
    return <Navigate to={from === "/" ? "/sign-in" : `/sign-in?from=${encodeURIComponent(from)}`} replace />;
  }
  if (session) return <Context.Provider value={session}>{children}</Context.Provider>;
  return error ? <Failed error={error} again={() => void refetch()} /> : <Loading />;
}
