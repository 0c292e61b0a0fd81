"""Pogocache for tests: the real server where there is one, its double elsewhere, started in the same way.

NEXQ_TEST_POGOCACHE is the path of a binary, or `pogocache://[:password@]host:port` of a server that tests may flush.
Without it, and for tests that end or configure a server when it is a URL, the double runs.

    server = Pogocache().start()      # loopback, a free port, --maxmemory unlimited, nothing kept
    server.kill()                     # SIGKILL
    server.restart()                  # on the same port and, with persist=True, the same file
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import hiredis

from tests.support.servers import Server, Wire, free_port
from tests.support.waiting import until_sync

VARIABLE = "NEXQ_TEST_POGOCACHE"
ROOT = Path(__file__).resolve().parents[2]
DOUBLE = (sys.executable, "-m", "tests.support.pogocache_double")
START_S = 15.0


@dataclass(frozen=True)
class Certificates:
    """Files for TLS. The authority is the certificate itself."""

    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        """A self-signed one for localhost."""
        made = cls(folder / "cert.pem", folder / "key.pem")
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        request += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        files = ["-keyout", str(made.key), "-out", str(made.certificate)]
        subprocess.run([*request, *files], check=True, capture_output=True)
        return made


class Pogocache(Server):
    """One server process in a folder of its own. `url` stays the same over restarts."""

    def __init__(
        self,
        *options: str,
        auth: str = "",
        persist: bool = False,
        maxmemory: str = "unlimited",
        tls: Certificates | None = None,
        unix: bool = False,
        double: bool | None = None,
    ) -> None:
        self.command = DOUBLE if double or (double is None and not real_binary()) else (real_binary(),)
        super().__init__(self.command[0], options, tcp=not unix)
        self.auth = auth
        self.tls_port = free_port() if tls else 0
        self.file = self.folder / "data"
        words = ["--threads", "2", "--maxmemory", maxmemory]
        words += ["-p", str(self.port)] if self.port else ["-p", "0", "-s", str(self.address)]
        words += ["--auth", auth] if auth else []
        words += ["--persist", str(self.file)] if persist else []
        if tls:
            words += ["--tlsport", str(self.tls_port), "--tlscert", str(tls.certificate), "--tlskey", str(tls.key)]
            words += ["--tlscacert", str(tls.certificate)]
        self._words = [*words, *options]
        trust = f":{quote(auth, safe='')}@" if auth else ""
        self.url = f"pogocache://{trust}127.0.0.1:{self.port}"
        self.tls_url = f"pogocaches://{trust}localhost:{self.tls_port}" if tls else ""

    def start(self) -> Pogocache:
        """Start it and wait until it answers."""
        self._is_told_to_end = False
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self.command, *self._words], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT
            )
        try:
            until_sync(self._answers, START_S, what="Pogocache to answer PING")
        except BaseException:
            self.stop()
            raise
        return self

    def open_wire(self, timeout_s: float = 30.0) -> Wire:
        """Another connection, with the password said."""
        wire = Wire(self.address, timeout_s)
        if self.auth:
            wire.call("AUTH", self.auth)
        return wire

    @property
    def wire(self) -> Wire:
        """A connection for looking, opened when first used."""
        if self._wire is None:
            self._wire = self.open_wire()
        return self._wire

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"Pogocache ended at once:\n{(self.folder / 'log').read_text()[-2000:]}")
        try:
            wire = self.open_wire(1.0)
        except OSError:
            return False
        try:
            return bool(wire.call("PING") == b"PONG")
        except OSError:
            return False
        finally:
            wire.close()

    def signal_term(self) -> None:
        """SIGTERM, without waiting for what comes of it."""
        self._is_told_to_end = True
        os.kill(self.pid, signal.SIGTERM)

    def term(self) -> None:
        """SIGTERM: it saves, if it has a file, while clients go on, and ends. A second one would end it at once."""
        assert self._process is not None
        if not self._is_told_to_end:
            self.signal_term()
        self._process.wait(30)
        self._end(signal.SIGKILL)

    def restart(self) -> Pogocache:
        """Start again on the same address and file, killing it first if it runs."""
        if self._process is not None:
            self.kill()
        return self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """End the process and remove its folder."""
        if self._process is not None:
            self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


class GivenPogocache:
    """A server that somebody else runs: it can be used and flushed, not ended."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self.auth = unquote(parts.password or "")
        self.address = (parts.hostname or "127.0.0.1", parts.port or 9401)
        self._wire: Wire | None = None

    @property
    def wire(self) -> Wire:
        """A connection for looking."""
        if self._wire is None:
            self._wire = Wire(self.address)
            if self.auth:
                self._wire.call("AUTH", self.auth)
        return self._wire

    def stop(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._wire.close()


def shared_pogocache() -> Pogocache | GivenPogocache:
    """The one for a whole test session: the URL's, or one that is started."""
    given = os.environ.get(VARIABLE, "")
    return GivenPogocache(given) if "://" in given else Pogocache().start()


def real_binary() -> str:
    """The path of the real server, or nothing. A path at which there is none is an error."""
    given = os.environ.get(VARIABLE, "")
    if not given or "://" in given:
        return ""
    found = shutil.which(given)
    if found is None:
        raise RuntimeError(f"{VARIABLE}={given}: there is no program. Give the path of a Pogocache, a URL, or nothing.")
    return found


def which_ran() -> str:
    """For the test report: which of the two it is."""
    given = os.environ.get(VARIABLE, "")
    if "://" in given:
        version = _version_at(given)
        return f"Pogocache: the real one at {_without_password(given)} ({version}); the double where a server is ended"
    if binary := real_binary():
        version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        return f"Pogocache: the real one, {binary} ({version})"
    return f"Pogocache: the double (set {VARIABLE} to the path of a real one, or its URL)"


def _version_at(url: str) -> str:
    server = GivenPogocache(url)
    try:
        facts: dict[bytes, Any] = dict(server.wire.call("STATS"))
    except (OSError, hiredis.ReplyError) as error:
        raise RuntimeError(f"{VARIABLE}: there is no Pogocache at {_without_password(url)}: {error}") from None
    finally:
        server.stop()
    return (facts[b"product"] + b" " + facts[b"version"]).decode()


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
