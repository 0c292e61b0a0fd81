"""One real server per folder, shared by all processes that use the folder, gone when the last of them is gone.

Nothing here trusts a pid file or the existence of a socket. Who is alive is known from kernel locks, which end with
their holders however these end:

| file in the folder | held by | says |
|---|---|---|
| `users.lock` | every user, shared, for life; its forked children count as the same user | the server is needed |
| `start.lock` | the user that starts the server | others wait for it |
| `watcher.lock` | the watcher (embedded_watcher.py), the server's parent | the server will be stopped when unused |
| `server.lock` | the server | no second server may write here |

`users.lock` and `server.lock` are flocks, which children inherit: meant for these two. The others are POSIX locks,
which children do not inherit.

The socket is in the folder too, so whoever sees the folder finds the server. A socket's path is limited to about 100
bytes: the server binds it relative to the folder, and a user with a longer path connects through a symbolic link to
the folder, its own, in the temporary directory.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

from nexq.backends.embedded_paths import LOG, explained, link, log_tail, python, server_binary, socket_path
from nexq.errors import BackendUnavailable

FSYNC = ("everysec", "always")

_LOG_LIMIT = 1 << 20
_START_S = 10.0
_LOAD_S = 60.0
_ANSWER_S = 1.0
_STEP_S = 0.003
_HELD_S = 0.02
_TRIES = 3


class _State(Enum):
    DOWN = "is not running"
    SILENT = "does not answer"
    ENDING = "is still ending after earlier use"
    LOADING = "is still loading its data"
    UP = "is ready"


class EmbeddedServer:
    """One use of the server of a folder. All uses in one process share one registration, kept by the last of them."""

    def __init__(self, path: str | Path, fsync: str = "everysec") -> None:
        """Name the folder. Nothing is created or started before `ensure`."""
        self.path = Path(path).resolve()
        self.fsync = fsync
        self.socket_path = socket_path(self.path)
        self._left = False

    @classmethod
    def join(cls, path: str | Path, fsync: str = "everysec") -> EmbeddedServer:
        """Start the server of this folder, or join the one that runs. Blocks until it answers.

        Raises ConfigError, BackendUnavailable.
        """
        server = cls(path, fsync)
        try:
            server.ensure()
        except BaseException:
            server.leave()
            raise
        return server

    def ensure(self) -> None:
        """Make sure that the server runs and answers; start it again if it died. Blocks; cheap when all is well.

        One user with `fsync="always"` is enough to have it for all, until the server ends.
        Raises ConfigError, BackendUnavailable.
        """
        with _lock:
            if self._left:
                raise BackendUnavailable(f"embedded://{self.path}: this connection was closed.")
            store = _stores.setdefault(self.path, _Store(self.path, self.socket_path))
            store.uses.add(self)
            store.bring_up()

    def leave(self) -> None:
        """Need the server no longer. A second call does nothing."""
        with _lock:
            self._left = True
            store = _stores.get(self.path)
            if store is not None:
                store.uses.discard(self)
                if not store.uses:
                    store.close()
                    del _stores[self.path]


class _Store:
    """This process's registration as a user of one folder. Its methods are called under `_lock`."""

    def __init__(self, path: Path, socket_path: str) -> None:
        self.path = path
        self.uses: set[EmbeddedServer] = set()
        self._socket_path = socket_path
        self._users_fd: int | None = None

    def close(self) -> None:
        """End the registration. Only by closing: unlocking would end it for forked children as well."""
        if self._users_fd is not None:
            os.close(self._users_fd)
            self._users_fd = None

    def bring_up(self) -> None:
        """Return when the server answers and is watched."""
        begun = time.monotonic()
        failures = 0
        while True:
            with explained(self.path):
                state, failed = self._step(begun + _START_S)
            if state is _State.UP:
                return
            failures += failed
            elapsed = time.monotonic() - begun
            if failures == _TRIES or elapsed > (_LOAD_S if state is _State.LOADING else _START_S):
                raise BackendUnavailable(
                    f"embedded://{self.path}: the server {state.value} ({elapsed:.1f} s after the first try). "
                    f"The end of {self.path / LOG}:\n{log_tail(self.path)}"
                )
            time.sleep(_STEP_S)

    def _step(self, deadline: float) -> tuple[_State, bool]:
        """Look, and do what is needed. Returns the state found, and whether a start failed."""
        # Registered first: from then on no watcher ends the server that is found.
        if not self._register():
            return _State.ENDING, False
        state = self._ask()
        if state is _State.DOWN:
            return state, not self._start(deadline)
        if state is _State.UP and not self._is_watched():
            # Its watcher was killed, so nobody would ever stop it. Other users reconnect to the next one.
            with suppress(OSError):
                self._call("SHUTDOWN NOWAIT")
            return _State.ENDING, False
        return state, False

    def _register(self) -> bool:
        """Hold the users' lock. False while a watcher ends the server of earlier users."""
        link(self._socket_path, self.path)
        if self._is_registered():
            return True
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = self._open("users.lock")
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self.close()
        self._users_fd = fd
        return self._is_registered()

    def _is_registered(self) -> bool:
        """Whether a lock is held and still the folder's: somebody may have deleted the folder under us."""
        if self._users_fd is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._users_fd), (self.path / "users.lock").stat())
        except FileNotFoundError:
            return False

    def _is_watched(self) -> bool:
        with self._locked("watcher.lock") as free:
            return not free

    def _ask(self) -> _State:
        try:
            reply = self._call("PING")
            if reply.startswith(b"+") and self._fsync() == "always":
                self._call("CONFIG SET appendfsync always")
        except (ConnectionError, FileNotFoundError):
            return _State.DOWN
        except (TimeoutError, BlockingIOError):
            return _State.SILENT
        if not reply:
            return _State.DOWN
        return _State.LOADING if reply.startswith(b"-LOADING") else _State.UP

    def _call(self, command: str) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_S)
            connection.connect(self._socket_path)
            connection.sendall(command.encode() + b"\r\n")
            return connection.recv(512)

    def _start(self, deadline: float) -> bool:
        """Start a watcher and its server, unless another user is at it. False if that failed."""
        with self._locked("start.lock") as mine:
            if not mine or self._ask() is not _State.DOWN:
                return True
            log = self.path / LOG
            if log.exists() and log.stat().st_size > _LOG_LIMIT:
                log.replace(self.path / f"{LOG}.1")
            ended, watchers_end = os.pipe()
            try:
                with log.open("ab") as log_file:
                    starter = subprocess.Popen(  # noqa: S603
                        self._watcher_command(),
                        cwd=self.path,
                        stdin=subprocess.DEVNULL,
                        stdout=watchers_end,
                        stderr=log_file,
                        env=os.environ | {"LC_ALL": "C"},
                        start_new_session=True,
                    )
                os.close(watchers_end)
                watchers_end = -1
                said = self._wait_for_start(ended, deadline)
                starter.wait()  # it has ended long ago: the watcher is its child
            finally:
                os.close(ended)
                if watchers_end >= 0:
                    os.close(watchers_end)
        if said == b"held":
            time.sleep(_HELD_S)
        return said is None or said == b"held"

    def _wait_for_start(self, ended: int, deadline: float) -> bytes | None:
        """None when something answers or time is over, else the watcher's last word: it is gone."""
        os.set_blocking(ended, False)
        while time.monotonic() < deadline and self._ask() is _State.DOWN:
            with suppress(BlockingIOError):
                return os.read(ended, 16)
            time.sleep(_STEP_S)
        return None

    def _watcher_command(self) -> list[str]:
        watcher = Path(__file__).with_name("embedded_watcher.py")
        return [python(), "-I", "-S", str(watcher), str(self.path), str(server_binary()), self._fsync()]

    def _fsync(self) -> str:
        return max((use.fsync for use in self.uses), key=FSYNC.index)

    def _open(self, name: str) -> int:
        return os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextmanager
    def _locked(self, name: str) -> Iterator[bool]:
        """Hold a POSIX lock if nobody else does: yields whether."""
        fd = self._open(name)
        try:
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                yield False
            else:
                yield True
        finally:
            os.close(fd)


def _unlocked_after_fork() -> None:
    """A lock that another thread held while this process was forked would stay held in the child."""
    global _lock
    _lock = threading.Lock()


_lock = threading.Lock()
_stores: dict[Path, _Store] = {}
os.register_at_fork(after_in_child=_unlocked_after_fork)
