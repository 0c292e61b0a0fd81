"""The URL: where the server is, which log, and how to use it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from nexq.errors import ConfigError, InvalidName
from nexq.keys import check_namespace

PORT = 9401
FORM = "pogocache://[:password@]host[:9401][/name], pogocaches://… or pogocache+unix:///path/of/the.sock?name=…"
SCHEMES = ("pogocache", "pogocaches", "pogocache+unix")


@dataclass(frozen=True)
class Options:
    """What the URL's query may say."""

    #: The operator's word that the server runs with `--maxmemory unlimited`; '' when it was not given.
    maxmemory: str = ""
    #: Bytes on the server, in MiB, from which on no new jobs are taken. 0: no limit.
    budget_mb: int = 1024
    #: How long an idle process waits between two looks at the log, ms; and one that is busy.
    poll_ms: float = 22.0
    busy_poll_ms: float = 1.0
    #: A file that keeps the log on this machine too.
    journal: str = ""
    #: `accept`: go on with what the server still has after a loss that nobody can repair.
    lost: str = ""
    #: Name of the log, where the URL's path is a socket's.
    name: str = ""
    ssl_ca_certs: str = ""
    ssl_certfile: str = ""
    ssl_keyfile: str = ""


@dataclass(frozen=True)
class Target:
    """A server and a log on it. `socket`: the path of a unix socket, or ''."""

    host: str
    port: int
    socket: str
    password: str = field(repr=False)
    tls: bool
    log: str
    options: Options

    @property
    def shown(self) -> str:
        """The URL without the password and the query."""
        secret = ":***@" if self.password else ""
        if self.socket:
            return f"pogocache+unix://{secret}{self.socket}?name={self.log}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"pogocache{'s' if self.tls else ''}://{secret}{host}:{self.port}/{self.log}"

    def context(self) -> ssl.SSLContext | None:
        """What TLS needs, the server's name and certificate verified; None without TLS. Raises ConfigError."""
        if not self.tls:
            return None
        options = self.options
        try:
            context = ssl.create_default_context(cafile=options.ssl_ca_certs or None)
            if options.ssl_certfile:
                context.load_cert_chain(options.ssl_certfile, options.ssl_keyfile or None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{self.shown}: the certificates cannot be used: {error}") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def parse(url: str) -> Target:
    """Read a URL. Raises ConfigError, without showing the password."""
    if "#" in url:
        raise ConfigError("The pogocache URL has a '#': write one in a password as %23.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # What Python says of it may show a part of the password.
        raise ConfigError(f"The pogocache URL cannot be read: its host or port is none; expected {FORM}.") from None
    if parts.scheme not in SCHEMES:
        raise ConfigError(f"Unknown scheme {parts.scheme!r}: expected {FORM}.")
    if parts.username:
        raise ConfigError(f"Pogocache knows no users, only a password: expected {FORM}.")
    options = _options(parts.query)
    by_socket = parts.scheme == "pogocache+unix"
    path = unquote(parts.path)
    if by_socket and (parts.hostname or not path.strip("/")):
        raise ConfigError(f"A unix socket needs its path and no host: expected {FORM}.")
    if not by_socket and options.name:
        raise ConfigError("The log's name stands in the path: pogocache://host:9401/name, without ?name=.")
    return Target(
        host="" if by_socket else parts.hostname or "localhost",
        port=port or PORT,
        socket=path if by_socket else "",
        password=unquote(parts.password or ""),
        tls=parts.scheme == "pogocaches",
        log=_log_name(options.name if by_socket else path, parts),
        options=options,
    )


def _log_name(path: str, parts: SplitResult) -> str:
    name = path.removeprefix("/").removesuffix("/") or "nexq"
    try:
        check_namespace(name)
    except InvalidName as error:
        raise ConfigError(f"The log's name in the URL cannot be used: {error}") from None
    if "/" in name:
        raise ConfigError(f"The log's name {name!r} has a '/': expected {FORM}.")
    return name


def _options(query: str) -> Options:
    given: dict[str, str | int | float] = {}
    fields = Options.__dataclass_fields__
    for key, text in parse_qsl(query, keep_blank_values=True):
        if key not in fields:
            raise ConfigError(f"The URL has an unknown option {key!r}. Known: {', '.join(fields)}.")
        default = getattr(Options, key)
        try:
            given[key] = text if isinstance(default, str) else type(default)(text)
        except ValueError:
            raise ConfigError(f"The URL's option {key} is {text!r}: expected a number.") from None
    options = Options(**given)  # type: ignore[arg-type]
    if options.maxmemory not in ("", "unlimited"):
        raise ConfigError(
            f"The URL's option maxmemory is {options.maxmemory!r}: a server with a limit deletes jobs without a word. "
            "Start it with --maxmemory unlimited and say maxmemory=unlimited."
        )
    if options.lost not in ("", "accept"):
        raise ConfigError(f"The URL's option lost is {options.lost!r}: expected lost=accept, or nothing.")
    if not 0.2 <= options.busy_poll_ms <= options.poll_ms <= 60_000:
        raise ConfigError("Expected 0.2 <= busy_poll_ms <= poll_ms <= 60000 in the URL.")
    if options.budget_mb < 0:
        raise ConfigError("Expected budget_mb in the URL to be 0 (no limit) or more.")
    if options.journal and not Path(options.journal).absolute().parent.is_dir():
        raise ConfigError(f"The folder of the journal {options.journal!r} does not exist: make it first.")
    return options
