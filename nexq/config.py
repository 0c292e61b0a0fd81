"""Settings: argument > flag > environment > `[tool.nexq]` in pyproject.toml > default."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from nexq.errors import ConfigError

T = TypeVar("T")

#: Setting -> (environment variable, kind). The names in `[tool.nexq]` are the settings' own.
SETTINGS: dict[str, tuple[str, type]] = {
    "url": ("NEXQ_URL", str),
    "app": ("NEXQ_APP", str),
    "namespace": ("NEXQ_NAMESPACE", str),
    "queues": ("NEXQ_QUEUES", str),
    "concurrency": ("NEXQ_CONCURRENCY", int),
    "processes": ("NEXQ_PROCESSES", int),
    "lease": ("NEXQ_LEASE", float),
    "grace": ("NEXQ_GRACE", float),
    "watchdog": ("NEXQ_WATCHDOG", float),
    "strict": ("NEXQ_STRICT", bool),
    "allow_unsafe": ("NEXQ_ALLOW_UNSAFE", bool),
    "payload_limit": ("NEXQ_PAYLOAD_LIMIT", int),
    "keep_completed": ("NEXQ_KEEP_COMPLETED", float),
    "keep_completed_count": ("NEXQ_KEEP_COMPLETED_COUNT", int),
    "keep_dead": ("NEXQ_KEEP_DEAD", float),
    "keep_dead_count": ("NEXQ_KEEP_DEAD_COUNT", int),
    "log_level": ("NEXQ_LOG_LEVEL", str),
    "job_log": ("NEXQ_JOB_LOG", bool),
    "log_format": ("NEXQ_LOG_FORMAT", str),
    "port": ("NEXQ_PORT", int),
    "root_path": ("NEXQ_ROOT_PATH", str),
    "metrics_addr": ("NEXQ_METRICS_ADDR", str),
    "metrics_public": ("NEXQ_METRICS_PUBLIC", bool),
    "target_lag": ("NEXQ_TARGET_LAG", float),
    "otel": ("NEXQ_OTEL", bool),
    "webhook_allow": ("NEXQ_WEBHOOK_ALLOW", str),
    "modules": ("NEXQ_MODULES", str),
    "shell_allow": ("NEXQ_SHELL_ALLOW", str),
    "shell_strings": ("NEXQ_SHELL_STRINGS", bool),
    "shell_env": ("NEXQ_SHELL_ENV", str),
    "shell_cwd": ("NEXQ_SHELL_CWD", str),
    "shell_limits": ("NEXQ_SHELL_LIMITS", str),
    "shell_keep": ("NEXQ_SHELL_KEEP", int),
    "shell_bury": ("NEXQ_SHELL_BURY", str),
    "shell_grace": ("NEXQ_SHELL_GRACE", float),
    "http_allow": ("NEXQ_HTTP_ALLOW", str),
    "http_allow_private": ("NEXQ_HTTP_ALLOW_PRIVATE", bool),
    "http_keep": ("NEXQ_HTTP_KEEP", int),
    "smtp_url": ("NEXQ_SMTP_URL", str),
    "smtp_from": ("NEXQ_SMTP_FROM", str),
    "smtp_timeout": ("NEXQ_SMTP_TIMEOUT", float),
    "email_latency": ("NEXQ_EMAIL_LATENCY", str),
    "email_failures": ("NEXQ_EMAIL_FAILURES", float),
    "ethereum_rpc_url": ("NEXQ_ETHEREUM_RPC_URL", str),
    "ethereum_timeout": ("NEXQ_ETHEREUM_TIMEOUT", float),
}

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def setting(name: str, given: T | None, default: T) -> T:
    """The value of a setting: what was given, else the environment, else pyproject.toml, else the default.

    Raises ConfigError for a value of the wrong kind, naming where it stands.
    """
    if given is not None:
        return given
    variable, kind = SETTINGS[name]
    if (text := os.environ.get(variable)) is not None and text != "":
        return _convert(text, kind, variable)  # type: ignore[no-any-return]
    table = _project_table(str(Path.cwd()))
    if name in table:
        return _convert(table[name], kind, f"[tool.nexq] {name}")  # type: ignore[no-any-return]
    return default


def _convert(value: Any, kind: type, where: str) -> Any:
    try:
        if kind is bool:
            text = str(value).lower()
            if text in _TRUE or text in _FALSE:
                return text in _TRUE
            raise ValueError
        if kind is str and isinstance(value, list):
            return ",".join(map(str, value))
        return kind(value)
    except (TypeError, ValueError):
        expected = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "a text")
        raise ConfigError(f"{where}: expected {expected}, got {value!r}.") from None


@cache
def _project_table(folder: str) -> Mapping[str, Any]:
    """`[tool.nexq]` of the nearest pyproject.toml at or above the folder; empty for none."""
    for place in (Path(folder), *Path(folder).parents):
        path = place / "pyproject.toml"
        if path.is_file():
            try:
                table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("nexq", {})
            except (tomllib.TOMLDecodeError, OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{path} cannot be read: {error}") from None
            if unknown := sorted(set(table) - set(SETTINGS)):
                raise ConfigError(
                    f"{path}: unknown setting {unknown[0]!r} in [tool.nexq]. Known: {', '.join(SETTINGS)}."
                )
            return dict(table)
    return {}
