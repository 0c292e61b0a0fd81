"""The routes for access: logins, tokens, the audit, health."""

from __future__ import annotations

from nexq.web import audit, health, logins, params, tokens
from nexq.web.principal import Scope
from nexq.web.table import Rule

ACCESS: list[Rule] = [
    Rule(
        method="GET",
        path="/api/me",
        endpoint=logins.me,
        scope=Scope.READ,
        tag="access",
        summary="Who the caller is and what it may do",
        answers={200: ("The caller.", None)},
    ),
    Rule(
        method="POST",
        path="/api/login",
        endpoint=logins.login,
        scope=Scope.PUBLIC,
        tag="access",
        summary="Open a session, for browsers",
        body=logins.Login,
        answers={200: ("The session's cookie is set.", None)},
    ),
    Rule(
        method="POST",
        path="/api/logout",
        endpoint=logins.logout,
        scope=Scope.READ,
        tag="access",
        summary="End the session",
        answers={204: ("Ended.", None)},
    ),
    Rule(
        method="GET",
        path="/api/tokens",
        endpoint=tokens.list_tokens,
        scope=Scope.ADMIN,
        tag="access",
        summary="List tokens",
        answers={200: ("The tokens, without their text.", None)},
    ),
    Rule(
        method="POST",
        path="/api/tokens",
        endpoint=tokens.create_token,
        scope=Scope.ADMIN,
        tag="access",
        summary="Make a token",
        body=tokens.NewToken,
        answers={201: ("The token; its text is shown this once.", None)},
    ),
    Rule(
        method="DELETE",
        path="/api/tokens/{id}",
        endpoint=tokens.revoke_token,
        scope=Scope.ADMIN,
        tag="access",
        summary="Revoke a token and its sessions",
        answers={204: ("Revoked.", None)},
    ),
    Rule(
        method="GET",
        path="/api/audit",
        endpoint=audit.list_audit,
        scope=Scope.ADMIN,
        tag="access",
        summary="Who changed what, and when",
        query={
            "kind": {"type": "string", "enum": ["admin", "write"], "description": "Only what needs this scope."},
            "limit": params.LONG_PAGE,
            "cursor": params.CURSOR,
        },
        answers={200: ("A page of notes, the newest first.", None)},
    ),
    Rule(
        method="GET",
        path="/livez",
        endpoint=health.livez,
        scope=Scope.PUBLIC,
        tag="health",
        summary="Whether the server lives",
        answers={200: ("It does.", None)},
        bare=True,
    ),
    Rule(
        method="GET",
        path="/readyz",
        endpoint=health.readyz,
        scope=Scope.PUBLIC,
        tag="health",
        summary="Whether the server is ready",
        answers={200: ("It is.", None), 503: ("Not yet, or not any more.", None)},
        bare=True,
    ),
]
