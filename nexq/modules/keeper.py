"""The keeper: what stands between a worker and a program that it runs, so that nothing of the program is left behind.

This file is a program of its own (`python -I -S keeper.py FD`), with the standard library alone. A worker starts it
once. For each program it forks a keeper proper, which runs the program as its child and is the *subreaper* of all that
comes from it: a process whose parent ends becomes the keeper's child, whatever sessions and groups it has made. So the
keeper can find and kill every one of them, and knows that none is left when it has no child any more. It does so when
the program has ended, when it is told to, and when the worker is gone.

That is Linux. Elsewhere there are no subreapers: the program's process group is killed, and a process that has left
the group escapes.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
import time

LINUX = sys.platform.startswith("linux")
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
#: The processes of a program are counted this often.
TICK_S = 0.2
#: Killing is given up after this: a process in the kernel's hands cannot be killed.
MOST_KILL_S = 10.0
LIMITS = {
    "memory": resource.RLIMIT_AS,
    "cpu": resource.RLIMIT_CPU,
    "file": resource.RLIMIT_FSIZE,
    "files": resource.RLIMIT_NOFILE,
    "core": resource.RLIMIT_CORE,
}


def main(fd: int) -> None:
    """Fork a keeper for each byte that comes, with the descriptors that come with it; end with the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _adopt_orphans()
    wake = _wake_on_children()
    # A low number, for select.
    control = socket.socket(fileno=os.dup(fd))
    os.close(fd)
    keepers: set[int] = set()
    while True:
        ready: list[object] = select.select([control, wake], [], [])[0]  # type: ignore[type-var]
        if wake in ready:
            _drain(wake)
            _tend(keepers)
        if control not in ready:
            continue
        byte, fds, _, _ = socket.recv_fds(control, 1, 4)
        if not byte:
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            os.close(wake)
            _keep(fds)
        keepers.add(pid)
        for received in fds:
            os.close(received)


def _tend(keepers: set[int]) -> None:
    """Wait for keepers that have ended. One that was killed leaves its program to us: kill that."""
    killed = False
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            killed |= ended[0] in keepers and os.WIFSIGNALED(ended[1])
            keepers.discard(ended[0])
    if killed:
        _stop_and_kill(lambda: _descendants(os.getpid(), keepers))


def _keep(fds: list[int]) -> None:
    """One keeper's life. Never returns."""
    code = 1
    try:
        os.setsid()
        _adopt_orphans()
        worker = socket.socket(fileno=fds[0])
        worker.setblocking(True)
        request = json.loads(_read_message(worker))
        answer = _run(worker, request, fds[1:])
        with contextlib.suppress(OSError):
            worker.sendall(json.dumps(answer).encode())
        code = 0
    finally:
        os._exit(code)


def _read_message(worker: socket.socket) -> bytes:
    """A message with its length in front, in four bytes."""
    wanted, data = 4, b""
    while len(data) < wanted:
        part = worker.recv(wanted - len(data))
        if not part:
            raise EOFError
        data += part
        if wanted == 4 and len(data) == 4:
            wanted += int.from_bytes(data, "big")
    return data[4:]


def _run(worker: socket.socket, request: dict, fds: list[int]) -> dict:  # type: ignore[type-arg]
    """Run the program, end it when told to, kill what is left of it; how it ended."""
    wake = _wake_on_children()
    report, theirs = os.pipe()
    program = os.fork()
    if program == 0:
        _become(request, fds, theirs)
    for fd in (*fds, theirs):
        os.close(fd)
    failure = b""
    while part := os.read(report, 4096):
        failure += part
    why, status = "", None
    kill_at: float | None = None
    while status is None:
        wait_s = TICK_S if kill_at is None else max(0.0, min(TICK_S, kill_at - time.monotonic()))
        ready: list[object] = select.select([worker, wake], [], [], wait_s)[0]  # type: ignore[type-var]
        if wake in ready:
            _drain(wake)
        status = _reap(program)
        if status is not None:
            break
        if worker in ready:
            told = _told(worker)
            if told == b"T" and kill_at is None:
                _end(program)
                kill_at = time.monotonic() + request["grace_s"]
            elif told != b"T":
                kill_at = 0.0
        if kill_at is None and request["processes"] and len(_descendants()) > request["processes"]:
            why, kill_at = "processes", 0.0
        if kill_at is not None and time.monotonic() >= kill_at:
            _kill_group(program)
            _stop_and_kill(_descendants)
            kill_at = time.monotonic() + 0.01
    # Outside Linux this is all there is; on it the sweep follows.
    _kill_group(program, ended=True)
    left = not _kill_rest()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "error": json.loads(failure) if failure else None,
        "status": os.waitstatus_to_exitcode(status),
        "why": why,
        "left": left,
        "cpu_s": round(used.ru_utime + used.ru_stime, 3),
    }


def _told(worker: socket.socket) -> bytes:
    """What the worker says: T to end the program, K to kill it; nothing: it is gone."""
    try:
        return worker.recv(1)
    except OSError:
        return b""


def _become(request: dict, fds: list[int], report: int) -> None:  # type: ignore[type-arg]
    """Be the program. Never returns; what goes wrong before it starts is told through `report`."""
    step = "start"
    try:
        os.setsid()
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        os.closerange(3, report)
        os.closerange(report + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        signal.set_wakeup_fd(-1)
        for name in ("SIGPIPE", "SIGXFSZ", "SIGINT", "SIGCHLD"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        os.umask(0o077)
        step = "folder"
        os.chdir(request["cwd"])
        step = "limits"
        for limit, value in request["limits"].items():
            _limit(LIMITS[limit], value)
        if LINUX:
            _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        step = "program"
        os.execve(request["path"], request["argv"], request["env"])  # noqa: S606
    except OSError as error:
        os.write(report, json.dumps([step, error.strerror]).encode())
    except BaseException as error:
        os.write(report, json.dumps([step, f"{type(error).__name__}: {error}"]).encode())
    finally:
        os._exit(127)


def _limit(what: int, value: int) -> None:
    """Lower a limit; one that is lower already stays."""
    hard = resource.getrlimit(what)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))


def _reap(program: int) -> int | None:
    """Wait for whoever has ended; the program's status, if it was among them."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == program:
                status = ended[1]
                # Its number may be another's from now on.
    return status


def _end(program: int) -> None:
    """Ask the program and all that came from it to end."""
    with contextlib.suppress(OSError):
        os.killpg(program, signal.SIGTERM)
        os.killpg(program, signal.SIGCONT)
    for pid in _descendants():
        # Asked once: a second signal would run what a program does on the first one again.
        if not _in_group(pid, program):
            _signal(pid, signal.SIGTERM)
            _signal(pid, signal.SIGCONT)


def _in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except OSError:
        return False


def _kill_group(program: int, ended: bool = False) -> None:
    # On Linux a program that has ended may have given its number to another by now; elsewhere the group is all we have,
    # and a number is not given anew while a group of that number lives.
    if not (ended and LINUX):
        with contextlib.suppress(OSError):
            os.killpg(program, signal.SIGKILL)


def _kill_rest() -> bool:
    """Kill everything that is left. False when something cannot be killed."""
    deadline = time.monotonic() + MOST_KILL_S
    while time.monotonic() < deadline:
        _stop_and_kill(_descendants)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        time.sleep(0.001)
    return False


def _stop_and_kill(find) -> None:  # type: ignore[no-untyped-def]
    """Kill a tree of processes. All are stopped first: those that fork could be faster than who looks for them."""
    stopped: set[int] = set()
    for _ in range(100):
        fresh = find() - stopped
        if not fresh:
            break
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        stopped |= fresh
    for pid in stopped:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, number)


def _descendants(root: int = 0, without: "set[int] | frozenset[int]" = frozenset()) -> set[int]:
    """Every process that comes from this one (or `root`), those of `without` and what comes from them left out."""
    found: set[int] = set()
    todo = [root or os.getpid()]
    while todo:
        children = [pid for pid in _children(todo.pop()) if pid not in found and pid not in without]
        found.update(children)
        todo += children
    return found


def _children(pid: int) -> list[int]:
    if not LINUX:
        return []
    if not _LISTS_CHILDREN:
        return _children_by_stat(pid)
    found: list[int] = []
    # Its threads may have ended meanwhile, or itself.
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208  (pathlib would double the start of this program)
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as listed:  # noqa: PTH123
                found += map(int, listed.read().split())
    return found


_LISTS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")  # noqa: PTH110


def _children_by_stat(parent: int) -> list[int]:
    """The same on a kernel that lists no children."""
    found: list[int] = []
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123
                if int(stat.read().rsplit(b")", 1)[1].split()[1]) == parent:
                    found.append(int(name))
    return found


def _adopt_orphans() -> None:
    if LINUX:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}: {os.strerror(ctypes.get_errno())}")


def _wake_on_children() -> int:
    """A descriptor that can be read when a child has ended."""
    read, write = os.pipe()
    for fd in (read, write):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read


def _drain(fd: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(fd, 4096):
            pass


if __name__ == "__main__":
    main(int(sys.argv[1]))
