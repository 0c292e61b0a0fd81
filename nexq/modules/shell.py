"""`shell:run`: a program as a job. Off unless the operator says which programs may run."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from nexq.app import Module
from nexq.config import setting
from nexq.depends import Depends
from nexq.errors import ConfigError
from nexq.modules.checks import bounded, excerpt, parts
from nexq.modules.failures import ShellFailed
from nexq.modules.programs import MOST_OUTPUT, Ended, KeeperLost, Program, Programs
from nexq.retry import Retry

#: Bytes that are kept of each output unless NEXQ_SHELL_KEEP says otherwise; in JSON they may be six times as many.
KEEP = 64 * 1024
MOST_KEEP = 80 * 1024
MOST_TIMEOUT_S = 86_400.0
#: What every program has unless the job or the operator says otherwise.
BASE_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
#: Variables that make a program another one: only an operator's list lets them in.
STEERING = (
    *("PATH", "IFS", "ENV", "BASH_ENV", "BASHOPTS", "SHELLOPTS", "PS4", "CDPATH", "EDITOR", "VISUAL", "PAGER"),
    *("LD_*", "DYLD_*", "GCONV_PATH", "GLIBC_TUNABLES", "LOCPATH", "NLSPATH", "MALLOC_*", "TERMINFO*", "HOSTALIASES"),
    *("PYTHON*", "PERL*", "RUBY*", "GEM_*", "NODE_*", "NPM_*", "JAVA_*", "JDK_*", "_JAVA_*", "CLASSPATH", "PHP*"),
    *("GIT_*", "SSH_*", "MAGICK_*", "OPENSSL_*", "SSL_*", "CURL_*", "*_PROXY", "*_proxy", "NEXQ_*", "LUA_*", "R_*"),
)
LIMITS = {"file": 1 << 30, "files": 1024, "processes": 256, "core": 0}
#: Exit codes that another try would not change: usage, data, permission, configuration (sysexits); not executable,
#: not found (shells).
BURY = "64,65,77,78,126,127"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator allows; from NEXQ_SHELL_* (docs/modules.md)."""

    allow: tuple[str, ...]
    strings: bool
    env: tuple[str, ...]
    cwd: tuple[str, ...]
    limits: Mapping[str, int]
    keep: int
    bury: frozenset[int]
    grace_s: float

    @classmethod
    def load(cls) -> Settings:
        """Raises ConfigError."""
        return cls(
            allow=tuple(_path(p, "NEXQ_SHELL_ALLOW") for p in parts("shell_allow")),
            strings=setting("shell_strings", None, False),
            env=tuple(parts("shell_env")),
            cwd=tuple(_path(p, "NEXQ_SHELL_CWD") for p in parts("shell_cwd")),
            limits=_limits(parts("shell_limits")),
            keep=bounded("shell_keep", KEEP, 0, MOST_KEEP),
            bury=_codes(setting("shell_bury", None, BURY)),
            grace_s=bounded("shell_grace", 3.0, 0.0, 60.0),
        )

    def program(self, name: str) -> str:
        """The path of a program that may run. Raises ShellFailed for another."""
        if not self.allow:
            raise ShellFailed(
                "This worker runs no programs. To allow some, start it with their absolute paths in NEXQ_SHELL_ALLOW: "
                f"NEXQ_SHELL_ALLOW={name if name.startswith('/') else '/bin/echo'} nexq worker.",
                retry=False,
            )
        for allowed in self.allow:
            if name == allowed or (allowed.endswith("/") and _right_in(name, allowed)):
                return name
            if "/" not in name:
                found = allowed + name if allowed.endswith("/") else allowed
                if PurePosixPath(found).name == name and os.access(found, os.X_OK):
                    return found
        raise ShellFailed(
            f"{name!r} is not among the programs that this worker may run: {', '.join(self.allow)}. "
            "NEXQ_SHELL_ALLOW of the worker lists them, by absolute path.",
            retry=False,
        )

    def environment(self, asked: Mapping[str, str]) -> dict[str, str]:
        """The environment of a program. Raises ShellFailed for a variable that a job may not set."""
        made = dict(BASE_ENV)
        made |= {n: v for n, v in os.environ.items() if _any(n, self.env) and not n.startswith("NEXQ_")}
        for name in asked:
            allowed = _any(name, self.env) if self.env else not _any(name, STEERING)
            if not allowed:
                raise ShellFailed(
                    f"A job may not set the variable {name!r}. NEXQ_SHELL_ENV of the worker lists those that it may: "
                    f"{', '.join(self.env) or 'now all that do not steer programs'}.",
                    retry=False,
                )
        return made | dict(asked)

    def folder(self, asked: str) -> str:
        """The working directory that a job asks for. Raises ShellFailed for one outside NEXQ_SHELL_CWD."""
        real = os.path.realpath(asked)
        if self.cwd and not any(_within(real, os.path.realpath(top)) for top in self.cwd):
            raise ShellFailed(
                f"A program may not run in {asked!r}, only in or below {', '.join(self.cwd)} (NEXQ_SHELL_CWD).",
                retry=False,
            )
        return asked


def _plain(text: str) -> str:
    if "\0" in text:
        raise ValueError("there is a NUL character in it, which no program can be given")
    return text


def _argv(given: list[str] | str) -> list[str] | str:
    for text in given if isinstance(given, list) else [given]:
        _plain(text)
    if not given or (isinstance(given, list) and not given[0]):
        raise ValueError('expected a program and its arguments, such as ["/bin/echo", "hello"]')
    return given


def _env(given: dict[str, str]) -> dict[str, str]:
    for name in given:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a name that a variable can have")
    return given


def _folder(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("expected an absolute path")
    return text


Text = Annotated[str, AfterValidator(_plain)]
Argv = Annotated[list[str] | str, AfterValidator(_argv)]
Env = Annotated[dict[str, Text], AfterValidator(_env)]
Folder = Annotated[Text, AfterValidator(_folder)]
Timeout = Annotated[float, Field(gt=0, le=MOST_TIMEOUT_S)]
Code = Annotated[int, Field(ge=0, le=255)]


def _status() -> str:
    settings = Settings.load()
    if settings.strings:
        return "runs any program: NEXQ_SHELL_STRINGS is on"
    if not settings.allow:
        return "off until NEXQ_SHELL_ALLOW names programs, by absolute path"
    return f"runs {', '.join(settings.allow)}"


async def make_programs() -> AsyncIterator[Programs]:
    """The worker's programs."""
    programs = Programs()
    try:
        yield programs
    finally:
        await programs.aclose()


module = Module("shell", about="Programs.", status=_status)


@module.handler("run", retry=Retry(max_attempts=3, base=5.0, factor=4.0, cap=600.0))
async def run(
    argv: Argv,
    stdin: str | None = None,
    cwd: Folder | None = None,
    env: Env | None = None,
    timeout: Timeout = 60.0,
    expect: Code | list[Code] = 0,
    shell: bool = False,
    *,
    programs: Programs = Depends(make_programs, scope="worker"),
    settings: Settings = Depends(Settings.load, scope="worker"),
) -> dict[str, Any]:
    """Run a program that the worker's operator allows (NEXQ_SHELL_ALLOW); see docs/modules.md.

    argv     the program and its arguments; a command line as one string only with shell: true
    cwd      where it runs; an empty folder of its own when left out
    timeout  seconds, then it and all that it started is ended
    expect   exit codes that are a success
    """
    if isinstance(argv, str) != shell:
        raise ShellFailed(
            'Give argv as a list, program first: ["/bin/echo", "hello"]. A string goes with shell: true, and the '
            "other way round.",
            retry=False,
        )
    if isinstance(argv, str):
        if not settings.strings:
            raise ShellFailed(
                "This worker takes no command lines, only programs with lists of arguments. NEXQ_SHELL_STRINGS=1 "
                "would allow them, and with them every program.",
                retry=False,
            )
        path, argv = "/bin/sh", ["/bin/sh", "-c", argv]
    else:
        path = settings.program(argv[0])
    environment = settings.environment(env or {})
    began = time.monotonic()
    own = None if cwd is not None else await asyncio.to_thread(tempfile.mkdtemp, prefix="nexq-shell-")
    program = Program(
        path=path,
        argv=argv,
        env={"HOME": own or "/", "TMPDIR": own or tempfile.gettempdir()} | environment,
        cwd=own or settings.folder(cwd or "/"),
        stdin=(stdin or "").encode("utf-8", "replace"),
        timeout_s=timeout,
        grace_s=settings.grace_s,
        keep=settings.keep,
        processes=settings.limits.get("processes", 0),
        limits={name: value for name, value in settings.limits.items() if name != "processes"},
    )
    try:
        ended = await programs.run(program)
    except KeeperLost as error:
        raise ShellFailed(f"{str(error).capitalize()}.") from None
    finally:
        if own is not None:
            await asyncio.to_thread(shutil.rmtree, own, ignore_errors=True)
    _judge(ended, program, expect if isinstance(expect, list) else [expect], settings.bury)
    return {
        "exit": ended.status,
        "stdout": ended.stdout,
        "stderr": ended.stderr,
        "stdout_bytes": ended.stdout_bytes,
        "stderr_bytes": ended.stderr_bytes,
        "truncated": max(ended.stdout_bytes, ended.stderr_bytes) > settings.keep,
        "seconds": round(time.monotonic() - began, 3),
        "cpu_seconds": ended.cpu_s,
    }


def _judge(ended: Ended, program: Program, expected: list[int], bury: frozenset[int]) -> None:
    """Raise ShellFailed unless the program ended as expected."""
    said = excerpt(ended.stderr[-2000:] or ended.stdout[-2000:])
    tail = f" It said: {said}" if said else ""
    left = " Something that it started could not be killed." if ended.left else ""
    if ended.failed:
        raise ShellFailed(f"{program.argv[0]} could not be started ({ended.failed}).", retry=False)
    if ended.why == "timeout":
        raise ShellFailed(f"No end within {program.timeout_s:g} s; it was ended.{left}{tail}")
    if ended.why == "output":
        raise ShellFailed(f"It wrote more than {MOST_OUTPUT:,} bytes and was killed.{left}{tail}", retry=False)
    if ended.why == "processes":
        raise ShellFailed(
            f"It had more than {program.processes} processes and was killed (NEXQ_SHELL_LIMITS).{left}{tail}",
            retry=False,
        )
    if ended.status < 0:
        name = signal.Signals(-ended.status).name if -ended.status in set(signal.Signals) else f"signal {-ended.status}"
        over = name in ("SIGXCPU", "SIGXFSZ")
        why = ", a limit of NEXQ_SHELL_LIMITS" if over else ""
        raise ShellFailed(f"It was ended by {name}{why}.{left}{tail}", retry=not over)
    if ended.status not in expected:
        raise ShellFailed(f"Its exit code was {ended.status}.{left}{tail}", retry=ended.status not in bury)


# -- Reading settings


def _path(text: str, variable: str) -> str:
    if not text.startswith("/") or os.path.normpath(text) != text.rstrip("/"):
        raise ConfigError(
            f"{variable}: expected absolute paths with commas between, such as /bin/echo, or /opt/jobs/ for what is in "
            f"that folder; got {text!r}."
        )
    return text


def _limits(given: list[str]) -> dict[str, int]:
    limits = dict(LIMITS)
    for text in given:
        name, _, value = text.partition("=")
        found = re.fullmatch(r"([0-9]{1,15})([KMG]?)", value.strip().upper())
        if name.strip() not in {*LIMITS, "memory", "cpu"} or found is None:
            raise ConfigError(
                "NEXQ_SHELL_LIMITS: expected name=number pairs with commas between, of memory, cpu (seconds), file, "
                f"files, processes, core; such as memory=512M,cpu=60; got {text!r}."
            )
        limits[name.strip()] = int(found[1]) * _UNITS[found[2]]
    return limits


def _codes(text: str) -> frozenset[int]:
    try:
        return frozenset(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise ConfigError(f"NEXQ_SHELL_BURY: expected exit codes with commas between, got {text!r}.") from None


def _any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _right_in(name: str, folder: str) -> bool:
    """Whether a path names something right in a folder."""
    return name.startswith(folder) and "/" not in name[len(folder) :] and name[len(folder) :] not in ("", ".", "..")


def _within(path: str, top: str) -> bool:
    return f"{path}/".startswith(top.rstrip("/") + "/")
