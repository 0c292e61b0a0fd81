"""`embedded://PATH`: a server of one's own, started with the first user and gone with the last."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

from nexq.backends.embedded_server import FSYNC, EmbeddedServer
from nexq.backends.redis import RedisBackend
from nexq.errors import ConfigError

#: Where the data is when nothing else is said: in the working directory.
DEFAULT_PATH = ".nexq"


def parse_path(url: str) -> tuple[Path, dict[str, str]]:
    """The folder and the options of an `embedded://` URL. `~` is the home folder. Raises ConfigError."""
    scheme, found, rest = url.partition("://")
    if scheme != "embedded" or not found:
        raise ConfigError(
            f"{url!r} is not an embedded URL: expected embedded://PATH, such as embedded://{DEFAULT_PATH}"
        )
    name, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(options.keys() - {"fsync"})
    if unknown:
        raise ConfigError(f"{url!r}: no option is called {unknown[0]!r}. Known: fsync ({' or '.join(FSYNC)}).")
    if options.get("fsync", FSYNC[0]) not in FSYNC:
        raise ConfigError(f"{url!r}: fsync is {options['fsync']!r}; expected {' or '.join(FSYNC)}.")
    if "\0" in (path := unquote(name)):
        raise ConfigError(f"{url!r}: a path cannot contain a NUL byte.")
    try:
        return Path(path or DEFAULT_PATH).expanduser(), options
    except RuntimeError as error:
        raise ConfigError(f"{url!r}: {error}") from None


class EmbeddedBackend(RedisBackend):
    """A backend on the server of a folder. It joins at the first connection and leaves with `aclose`."""

    def __init__(
        self, url: str = f"embedded://{DEFAULT_PATH}", *, patience_s: float = 30.0, call_timeout_s: float = 5.0
    ) -> None:
        path, options = parse_path(url)
        self._embedded_url = url
        self._server = EmbeddedServer(path, options.get("fsync", FSYNC[0]))
        super().__init__(
            f"unix://{quote(self._server.socket_path)}",
            patience_s=patience_s,
            call_timeout_s=call_timeout_s,
            before_connect=self._bring_up,
        )

    @property
    def url(self) -> str:
        """The URL that was given."""
        return self._embedded_url

    def clone(self) -> EmbeddedBackend:
        """Another use of the same folder, also if the working directory has changed since."""
        url = f"embedded://{quote(str(self._server.path))}?fsync={self._server.fsync}"
        return EmbeddedBackend(url, patience_s=self._patience_s, call_timeout_s=self._call_timeout_s)

    async def aclose(self) -> None:
        """Close the connections, then let the server go."""
        await super().aclose()
        await asyncio.to_thread(self._server.leave)

    async def _bring_up(self) -> None:
        await asyncio.to_thread(self._server.ensure)
