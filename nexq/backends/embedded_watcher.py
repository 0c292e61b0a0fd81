"""The watcher of an embedded server: starts it, and stops it when its last user has gone.

Run as a script in the store's folder: `python -I -S embedded_watcher.py FOLDER BINARY FSYNC` (FOLDER is only
there to be seen in a process list). It imports nothing of nexq and little else: it must be up in a few ms and stay
small.

Its standard output is a pipe to the user that starts it. The pipe's end tells that user that this attempt is over;
the word `held` before it, that another server of this folder is alive.

It never polls. One thread waits for the server to end, the other for the users' lock. Killed itself, it takes the
server along (Linux), or leaves one that the next user recognises as unwatched, ends and starts anew.
"""

import _thread
import fcntl
import os
import sys
import time

_SIGTERM, _SIGKILL = 15, 9
#: How long a server may take to end: it only has to sync its log.
_STOP_S = 10.0
_PR_SET_PDEATHSIG = 1
#: Everything is said, and no configuration file read: the folder decides, not the machine.
_SETTINGS = {
    "port": "0",
    "unixsocket": "server.sock",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "save": "",
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
    "logfile": "server.log",
    "loglevel": "notice",
}


def main(binary: str, fsync: str) -> None:
    """Watch over one server from its start to its end. Never returns."""
    if os.fork():
        os._exit(0)  # so the user that started this never has a child to reap
    lock = _open("server.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.write(1, b"held")
        os._exit(0)
    fcntl.lockf(_open("watcher.lock"), fcntl.LOCK_SH)
    watcher = os.getpid()
    pid = os.fork()
    if pid == 0:
        settings = _SETTINGS | {"appendfsync": fsync}
        _become_server([binary, *(w for name in settings for w in (f"--{name}", settings[name]))], watcher, lock)
    os.close(lock)  # from here on the server alone holds it: it is free when, and only when, the server is gone
    _thread.start_new_thread(_stop_after_last_user, (pid,))
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # the starter ignored SIGCHLD: the wait was as long, only the status is lost
    finally:
        os._exit(0)


def _become_server(server: list[str], watcher: int, lock: int) -> None:
    try:
        import signal

        # What the starter blocked or ignored would be inherited: the server has to hear SIGTERM and its own children.
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(2, 1)
        os.set_inheritable(lock, True)
        if sys.platform == "linux":
            _end_with_parent(watcher)
        os.execv(server[0], server)  # noqa: S606
    finally:
        os._exit(127)


def _end_with_parent(watcher: int) -> None:
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGTERM)
    except (ImportError, OSError, AttributeError):
        return
    if os.getppid() != watcher:
        os._exit(0)


def _stop_after_last_user(pid: int) -> None:
    try:
        # Users hold this lock shared. Granted, it is kept to the end: who comes now waits until the server is gone.
        fcntl.flock(_open("users.lock"), fcntl.LOCK_EX)
    finally:
        os.kill(pid, _SIGTERM)
        time.sleep(_STOP_S)
        os.kill(pid, _SIGKILL)


def _open(name: str) -> int:
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


if __name__ == "__main__":
    main(sys.argv[2], sys.argv[3])
