"""A process that uses an embedded server and does what it is told, one line in, one line out.

`python embedded_user.py FOLDER [FSYNC]`; the first line out is `ready`. Every answer starts with `ok` or `error`.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from nexq.backends.embedded_server import EmbeddedServer
from nexq.errors import NexqError


def call(server: EmbeddedServer, *words: str) -> str:
    """Send one command on a connection of its own and return the first line of the reply."""
    packed = f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(server.socket_path)
        connection.sendall(packed.encode())
        reply = connection.recv(1000)
    if not reply:
        raise ConnectionResetError("no reply")
    return reply.split(b"\r\n")[0].decode()


def obey(servers: list[EmbeddedServer], folder: str, fsync: str, words: list[str]) -> str:
    match words:
        case ["join"]:
            servers.append(EmbeddedServer.join(folder, fsync))
        case ["ensure"]:
            servers[-1].ensure()
        case ["leave"]:
            servers.pop().leave()
        case ["call", *command]:
            return call(servers[-1], *command)
        case ["fork"]:
            child = os.fork()
            if child == 0:
                os.close(0)
                os.close(1)
                while True:
                    signal.pause()
            return str(child)
        case ["exit"]:
            sys.exit(0)
        case ["_exit"]:
            os._exit(0)
        case _:
            raise ValueError(words)
    return ""


def main() -> None:
    folder, fsync = sys.argv[1], (sys.argv[2:] or ["everysec"])[0]
    servers: list[EmbeddedServer] = []
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            answer = f"ok {obey(servers, folder, fsync, line.split())}"
        except (NexqError, OSError) as error:
            answer = f"error {type(error).__name__} {error}".replace("\n", " | ")
        print(answer, flush=True)


if __name__ == "__main__":
    main()
