// Who one is, signing in and out, and the audit.

import { get, post, setCsrfToken } from "./client";

export type Scope = "read" | "write" | "admin";

export interface Me {
  auth: boolean;
  name: string;
  scope: Scope;
  queues: string[];
  expires_ms?: number | null;
  csrf_token?: string;
  version?: string;
  namespace?: string;
}

export interface AuditNote {
  at_ms: number;
  principal: string;
  token?: string;
  method: string;
  path: string;
  status: number;
  address?: string;
  job?: string;
}

export interface AuditPage {
  records: AuditNote[];
  next: string | null;
}

export async function getMe(signal?: AbortSignal): Promise<Me> {
  return remember(await get<Me>("api/me", {}, signal));
}

export async function login(token: string): Promise<Me> {
  return remember(await post<Me>("api/login", { token }));
}

export async function logout(): Promise<void> {
  await post("api/logout");
  setCsrfToken("");
}

export function listAudit(kind: string, cursor: string, signal?: AbortSignal): Promise<AuditPage> {
  return get("api/audit", { kind, limit: 100, cursor }, signal);
}

function remember(me: Me): Me {
  setCsrfToken(me.csrf_token ?? "");
  return me;
}
