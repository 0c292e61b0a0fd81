"""`shell:run` with real programs: what may run, how it ends, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from nexq import JobState, Nexq
from nexq.errors import ConfigError, InvalidPayload
from nexq.modules import find
from nexq.modules.programs import KeeperLost, Kept, Program, Programs
from tests.modules.conftest import outcome, quick
from tests.support.waiting import until
from tests.worker.work import ended, in_state

TYPE = "shell:run"
ENV = {"PATH": "/usr/bin:/bin"}
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere only the process group is killed")


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXQ_SHELL_ALLOW", "/bin/echo,/bin/cat,/bin/sh,/usr/bin/env,/bin/pwd,/bin/sleep,/usr/bin/head")


async def ok(app: Nexq, payload: Any, **options: Any) -> dict[str, Any]:
    """The result of a job that completes."""
    job = await outcome(app, TYPE, payload, **options)
    assert job.state is JobState.COMPLETED, job.last_error
    return dict(json.loads(job.result or b""))


async def no(app: Nexq, payload: Any, tries: int = 1) -> str:
    """Why a job died, after so many of five attempts."""
    job = await outcome(app, TYPE, payload, max_attempts=5 if tries == 1 else tries)
    assert job.state is JobState.DEAD
    assert len(job.attempts) == tries, job.attempts
    assert job.attempts[0].error["type"] == "ShellFailed"
    assert not job.attempts[0].error["traceback"], "its text says all"
    return job.last_error


def left(marker: str) -> list[int]:
    """Processes whose command line has the marker; those that ended and wait to be looked at do not count."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                line = (folder / "cmdline").read_bytes()
                if marker.encode() in line and (folder / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


# -- What runs


async def test_a_program_its_output_and_its_exit_code(app: Nexq) -> None:
    result = await ok(app, {"argv": ["/bin/echo", "hello", "world; rm -rf $HOME `id` $(id)"]})
    assert result["stdout"] == "hello world; rm -rf $HOME `id` $(id)\n"
    assert (result["exit"], result["stderr"], result["truncated"]) == (0, "", False)
    assert (await ok(app, {"argv": ["cat"], "stdin": "ä\0b" * 10_000}))["stdout_bytes"] == 40_000
    assert (await ok(app, ["/bin/echo", "a list alone"]))["stdout"] == "a list alone\n"


async def test_exit_codes_become_outcomes(app: Nexq, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: int) -> list[str]:
        return ["/bin/sh", "-c", f"echo why >&2; exit {code}"]

    assert (await ok(app, {"argv": leave(3), "expect": [0, 3]}))["exit"] == 3
    async with quick(app, TYPE):
        assert await no(app, {"argv": leave(1)}, tries=2) == "ShellFailed: Its exit code was 1. It said: why"
        assert "exit code was 75" in await no(app, {"argv": leave(75)}, tries=2)
    for code in (64, 65, 77, 78, 126, 127):
        assert f"exit code was {code}" in await no(app, {"argv": leave(code)})
    monkeypatch.setenv("NEXQ_SHELL_BURY", "1,2")
    assert "exit code was 1" in await no(app, {"argv": leave(1)})


async def test_a_signal_is_told_by_name(app: Nexq) -> None:
    job = await outcome(app, TYPE, {"argv": ["/bin/sh", "-c", "kill -SEGV $$"]})
    assert "It was ended by SIGSEGV." in job.last_error


async def test_nothing_runs_unless_it_is_allowed(app: Nexq, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = await no(app, {"argv": ["/bin/ls"]})
    assert "'/bin/ls' is not among" in said and "NEXQ_SHELL_ALLOW" in said
    for other in ("/bin/../bin/echo", "/bin//echo", "./echo", "bin/echo", "/bin/echo ", "/BIN/ECHO"):
        assert "not among" in await no(app, {"argv": [other]})
    monkeypatch.setenv("NEXQ_SHELL_ALLOW", f"{tmp_path}/")
    (tmp_path / "job").write_text("#!/bin/sh\necho ran $1\n")
    (tmp_path / "job").chmod(0o755)
    assert (await ok(app, {"argv": [f"{tmp_path}/job", "it"]}))["stdout"] == "ran it\n"
    assert (await ok(app, {"argv": ["job"]}))["stdout"] == "ran\n"
    assert "not among" in await no(app, {"argv": [f"{tmp_path}/../{tmp_path.name}/job"]})
    monkeypatch.delenv("NEXQ_SHELL_ALLOW")
    said = await no(app, {"argv": ["/bin/echo", "x"]})
    assert "NEXQ_SHELL_ALLOW=/bin/echo nexq worker" in said


async def test_command_lines_need_the_operator(app: Nexq, monkeypatch: pytest.MonkeyPatch) -> None:
    line = {"argv": "echo $((1+1)) | cat", "shell": True}
    assert "NEXQ_SHELL_STRINGS=1" in await no(app, line)
    assert "shell: true" in await no(app, {"argv": "echo 1"})
    monkeypatch.setenv("NEXQ_SHELL_STRINGS", "1")
    assert (await ok(app, line))["stdout"] == "2\n"
    assert "shell: true" in await no(app, {"argv": "echo 1"})


BAD = {
    "NUL": ({"argv": ["/bin/echo", "a\0b"]}, "NUL"),
    "NUL in the environment": ({"argv": ["/bin/echo"], "env": {"A": "\0"}}, "NUL"),
    "no program": ({"argv": []}, "expected a program"),
    "an empty program": ({"argv": [""]}, "expected a program"),
    "numbers": ({"argv": ["/bin/echo", 1]}, "valid string"),
    "a relative folder": ({"argv": ["/bin/echo"], "cwd": "tmp"}, "absolute path"),
    "a variable's name": ({"argv": ["/bin/echo"], "env": {"A=B": "c"}}, "not a name"),
    "a timeout": ({"argv": ["/bin/echo"], "timeout": -1}, "greater than 0"),
    "unknown fields": ({"argv": ["/bin/echo"], "cmd": "x", "user": "root"}, "/user"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_payload_is_refused(app: Nexq, name: str) -> None:
    payload, said = BAD[name]
    with pytest.raises(InvalidPayload, match=said):
        await app.enqueue(TYPE, payload)


async def test_what_cannot_be_started_is_buried(app: Nexq, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NEXQ_SHELL_ALLOW", f"/nowhere/x,{tmp_path}/plain,/bin/echo")
    (tmp_path / "plain").write_text("not a program")
    assert "could not be started (program: No such file" in await no(app, {"argv": ["/nowhere/x"]})
    assert "could not be started (program: Permission denied" in await no(app, {"argv": [f"{tmp_path}/plain"]})
    assert "folder: No such file" in await no(app, {"argv": ["/bin/echo"], "cwd": "/nowhere"})
    assert "Argument list too long" in await no(app, {"argv": ["/bin/echo", "x" * 200_000]})


# -- Environment and folder


async def test_the_environment_is_made_and_not_inherited(app: Nexq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_SECRET", "s3cret")
    monkeypatch.setenv("NEXQ_SMTP_URL", "smtp://u:s3cret@localhost")
    out = (await ok(app, {"argv": ["/usr/bin/env"], "env": {"FOO": "bar"}}))["stdout"]
    names = {line.split("=")[0] for line in out.splitlines()}
    assert names == {"PATH", "LANG", "HOME", "TMPDIR", "FOO"}
    assert "s3cret" not in out
    for steering in (
        "LD_PRELOAD",
        "PATH",
        "BASH_ENV",
        "PYTHONPATH",
        "GIT_SSH_COMMAND",
        "IFS",
        "NEXQ_URL",
        "https_proxy",
    ):
        assert f"may not set the variable '{steering}'" in await no(
            app, {"argv": ["/usr/bin/env"], "env": {steering: "x"}}
        )
    monkeypatch.setenv("NEXQ_SHELL_ENV", "CANARY_*,LD_LIBRARY_PATH")
    out = (await ok(app, {"argv": ["/usr/bin/env"], "env": {"LD_LIBRARY_PATH": "/x"}}))["stdout"]
    assert "CANARY_SECRET=s3cret" in out and "LD_LIBRARY_PATH=/x" in out
    assert "may not set the variable 'FOO'" in await no(app, {"argv": ["/usr/bin/env"], "env": {"FOO": "bar"}})


async def test_where_it_runs(app: Nexq, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = (await ok(app, ["/bin/sh", "-c", "pwd; touch a; mkdir b; ls"]))["stdout"].split()
    assert own[1:] == ["a", "b"] and not Path(own[0]).exists()
    assert (await ok(app, {"argv": ["/bin/pwd"], "cwd": str(tmp_path)}))["stdout"].strip() == str(tmp_path)
    monkeypatch.setenv("NEXQ_SHELL_CWD", str(tmp_path / "in"))
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "out").symlink_to("/")
    assert (await ok(app, {"argv": ["/bin/pwd"], "cwd": str(tmp_path / "in" / "deep")}))["exit"] == 0
    for folder in (str(tmp_path), f"{tmp_path}/in/..", f"{tmp_path}/in/out", f"{tmp_path}/inner"):
        assert "NEXQ_SHELL_CWD" in await no(app, {"argv": ["/bin/pwd"], "cwd": folder})


async def test_limits_hold(app: Nexq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXQ_SHELL_LIMITS", "cpu=1,file=100K,files=20,memory=2G,processes=8")
    out = (await ok(app, ["/bin/sh", "-c", "ulimit -t; ulimit -f; ulimit -n; ulimit -c; ulimit -v"]))["stdout"]
    assert out.split() == ["1", "200", "20", "0", str(2 * 1024 * 1024)]
    assert "SIGXFSZ, a limit" in await no(app, ["/bin/sh", "-c", "exec head -c 200000 /dev/zero > big"])
    if sys.platform.startswith("linux"):
        many = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 30 & done; wait"
        assert "more than 8 processes" in await no(app, ["/bin/sh", "-c", many])


# -- Output


async def test_output_is_kept_to_a_limit_and_says_so(app: Nexq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXQ_SHELL_KEEP", "100")
    result = await ok(app, ["/bin/sh", "-c", "echo begin; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end"])
    assert result["truncated"] and result["stdout_bytes"] == 3_000_011
    assert result["stdout"].startswith("begin\nxx") and result["stdout"].endswith("xx\nend\n")
    assert "[… 2,999,911 bytes left out …]" in result["stdout"]


async def test_ten_gigabytes_end_early(app: Nexq) -> None:
    said = await no(app, ["/usr/bin/head", "-c", "10000000000", "/dev/zero"])
    assert "wrote more than 67,108,864 bytes and was killed" in said


@pytest.mark.parametrize("most", [0, 1, 7, 100])
def test_what_is_kept_is_the_beginning_and_the_end(most: int) -> None:
    text = bytes(range(65, 91)) * 1000
    for step in (1000, 26_000, 33):
        kept = Kept(most)
        for at in range(0, len(text), step):
            kept.add(text[at : at + step])
        assert kept.size == 26_000
        first, last = text[: most - most // 2].decode(), text[len(text) - most // 2 :].decode() if most > 1 else ""
        assert kept.text() == f"{first}\n[… {26_000 - most:,} bytes left out …]\n{last}"
    small = Kept(100)
    small.add(b"\xffabc")
    assert small.text() == "\ufffdabc"


# -- Ending


async def test_a_timeout_asks_first_and_kills_then(app: Nexq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXQ_SHELL_GRACE", "0.2")
    polite = "exec 2>/dev/null; trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done"
    job = await outcome(app, TYPE, {"argv": ["/bin/sh", "-c", polite], "timeout": 0.3})
    assert job.last_error == "ShellFailed: No end within 0.3 s; it was ended. It said: bye"
    once = "exec 2>/dev/null; trap 'echo asked' TERM; while :; do sleep 0.02; done"
    job = await outcome(app, TYPE, {"argv": ["/bin/sh", "-c", once], "timeout": 0.3})
    assert job.last_error == "ShellFailed: No end within 0.3 s; it was ended. It said: asked", "it was asked twice"
    deaf = "trap '' TERM; while :; do sleep 0.05; done"
    job = await outcome(app, TYPE, {"argv": ["/bin/sh", "-c", deaf], "timeout": 0.3})
    assert job.last_error == "ShellFailed: No end within 0.3 s; it was ended."


#: Ways to leave something behind; {} is the marker.
TRICKS = {
    "in the background": "sleep 300.{} & echo",
    "in a group of its own": "set -m; sleep 300.{} & echo",
    "in a session of its own": "setsid sleep 300.{} & echo",
    "with two forks": "(setsid sh -c 'sleep 300.{} & sleep 300.{} &' &) ; echo",
    "deaf to TERM": "trap '' TERM HUP INT; setsid sh -c 'trap \"\" TERM HUP; sleep 300.{}; sleep 300.{}' & echo",
    "without its environment": "env -i setsid sh -c 'sleep 300.{}' & echo",
    "stopped": "sh -c 'kill -STOP $$; sleep 300.{}' & sleep 300.{} & echo",
    "with its output closed": "setsid sleep 300.{} >/dev/null 2>&1 </dev/null & echo",
}


@linux
@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("how", ["ends", "timeout"])
async def test_nothing_is_left_behind(trick: str, how: str) -> None:
    marker = secrets.token_hex(4).translate(str.maketrans("abcdef", "123456"))
    script = TRICKS[trick].replace("{}", marker) + (f"; sleep 300.{marker}" if how == "timeout" else "")
    programs = Programs()
    timeout_s = 0.4 if how == "timeout" else 60.0
    program = Program("/bin/sh", ["/bin/sh", "-c", script], ENV, "/", timeout_s=timeout_s, grace_s=0.1)
    done = await programs.run(program)
    assert done.why == ("timeout" if how == "timeout" else "")
    assert not done.left
    # At once: the program's end is told when nothing of it is left.
    assert left(marker) == []
    await programs.aclose()


@linux
async def test_a_fork_bomb_is_put_out() -> None:
    programs = Programs()
    bomb = "b() { b & b & sleep 60; }; b"
    program = Program("/bin/sh", ["/bin/sh", "-c", bomb], ENV, "/", timeout_s=10, processes=50)
    done = await programs.run(program)
    assert (done.why, done.left) == ("processes", False)
    await programs.aclose()


@linux
async def test_a_cancel_leaves_nothing(app: Nexq) -> None:
    marker = secrets.token_hex(4).translate(str.maketrans("abcdef", "123456"))
    async with app.worker():
        job = await app.enqueue(TYPE, ["/bin/sh", "-c", f"setsid sleep 300.{marker} & sleep 300.{marker}"])
        await in_state(job, JobState.RUNNING)
        await until(lambda: len(left(f"300.{marker}")) >= 2, 10)
        await job.cancel()
        assert (await ended(job)).state is JobState.CANCELLED
        assert left(f"300.{marker}") == []


@linux
async def test_a_killed_keeper_is_told_and_leaves_nothing() -> None:
    programs = Programs()
    marker = secrets.token_hex(4).translate(str.maketrans("abcdef", "123456"))
    script = f"setsid sleep 300.{marker} & sleep 0.1; kill -9 $PPID; sleep 300.{marker}"
    with pytest.raises(KeeperLost, match="was killed"):
        await programs.run(Program("/bin/sh", ["/bin/sh", "-c", script], ENV, "/"))
    await until(lambda: left(marker) == [], 10, "what the keeper left to be killed")
    # The one who forks keepers may be killed too.
    assert programs._process is not None
    os.kill(programs._process.pid, signal.SIGKILL)
    programs._process.wait(5)
    assert (await programs.run(Program("/bin/echo", ["echo", "x"], {}, "/"))).stdout == "x\n"
    await programs.aclose()


@linux
async def test_a_killed_worker_leaves_nothing(tmp_path: Path) -> None:
    marker = secrets.token_hex(4).translate(str.maketrans("abcdef", "123456"))
    script = f"""
import asyncio
from nexq.modules.programs import Program, Programs
argv = ["/bin/sh", "-c", "trap '' TERM; setsid sleep 300.{marker} & sleep 300.{marker}"]
asyncio.run(Programs().run(Program("/bin/sh", argv, {{"PATH": "/usr/bin:/bin"}}, "/")))
"""
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", script, cwd=Path(__file__).parents[2])
    await until(lambda: len([p for p in left(f"sleep\x00300.{marker}") if p != worker.pid]) == 2, 20)
    worker.kill()
    await worker.wait()
    await until(lambda: left(marker) == [], 10, "its programs to be killed")


@linux
async def test_many_at_once_with_many_descriptors() -> None:
    programs = Programs()
    # Descriptors beyond what select can watch.
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        program = Program("/bin/cat", ["cat"], {}, "/", stdin=b"x" * 100_000)
        for done in await asyncio.gather(*(programs.run(program) for _ in range(60))):
            assert (done.status, done.stdout_bytes) == (0, 100_000)
    finally:
        for fd in held:
            os.close(fd)
    before = len(os.listdir("/proc/self/fd"))
    await programs.run(program)
    assert len(os.listdir("/proc/self/fd")) == before
    await programs.aclose()


@linux
async def test_soak() -> None:
    """SOAK_PROGRAMS runs of every trick, 40 where it is not set."""
    runs = int(os.environ.get("SOAK_PROGRAMS", "40"))
    marker = secrets.token_hex(6).translate(str.maketrans("abcdef", "123456"))
    programs = Programs()
    tricks = list(TRICKS.values())
    began = time.monotonic()

    async def lane(first: int) -> None:
        for number in range(first, runs, 8):
            stay = "" if number % 3 == 0 else f"; sleep 300.{marker}"
            script = tricks[number % len(tricks)].replace("{}", marker) + stay
            program = Program("/bin/sh", ["/bin/sh", "-c", script], ENV, "/", timeout_s=0.1, grace_s=0.05)
            assert not (await programs.run(program)).left

    await asyncio.gather(*(lane(first) for first in range(8)))
    assert left(marker) == []
    print(f"{runs} programs in {time.monotonic() - began:.1f} s, nothing left behind")
    await programs.aclose()


# -- Settings


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("NEXQ_SHELL_ALLOW", "echo", "absolute paths"),
        ("NEXQ_SHELL_ALLOW", "/bin/../bin/sh", "absolute paths"),
        ("NEXQ_SHELL_CWD", "tmp", "absolute paths"),
        ("NEXQ_SHELL_LIMITS", "memory=lots", "memory=512M"),
        ("NEXQ_SHELL_LIMITS", "disk=1", "memory=512M"),
        ("NEXQ_SHELL_KEEP", "9999999", "81,920"),
        ("NEXQ_SHELL_BURY", "a", "exit codes"),
        ("NEXQ_SHELL_GRACE", "-1", "0 to 60"),
        ("NEXQ_SHELL_STRINGS", "maybe", "true or false"),
    ],
)
def test_wrong_settings_are_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    found = find("shell")
    assert found is not None and found.module is not None
    with pytest.raises(ConfigError, match=said) as wrong:
        found.module.status()
    assert name in str(wrong.value)
