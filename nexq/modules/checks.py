"""What modules share: settings within bounds, texts without what would break out of them, waits that others ask for."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any

from nexq.config import SETTINGS, setting
from nexq.errors import ConfigError

#: A `Retry-After` is heeded up to this.
MOST_AFTER_S = 86_400.0


def bounded(name: str, default: Any, least: float, most: float) -> Any:
    """A numeric setting. Raises ConfigError outside least..most."""
    value = setting(name, None, default)
    if not least <= value <= most:
        raise ConfigError(f"{SETTINGS[name][0]}: expected {least:,g} to {most:,g}, got {value!r}.")
    return value


def parts(name: str) -> list[str]:
    """The entries of a setting that is a list with commas between."""
    return [part for part in (p.strip() for p in setting(name, None, "").split(",")) if part]


def after_s(value: str | None) -> float:
    """The seconds that a `Retry-After` asks for: a number or a date; 0 for none, or one that cannot be read."""
    if not value:
        return 0.0
    text = value.strip()
    try:
        wait_s = float(text) if text.isascii() and text.isdecimal() else _until(text)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(wait_s, 0.0), MOST_AFTER_S)


def _until(date: str) -> float:
    return parsedate_to_datetime(date).timestamp() - time.time()


def excerpt(text: str, most: int = 300) -> str:
    """A piece of somebody's text that can stand in a message: one line, printable."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"
