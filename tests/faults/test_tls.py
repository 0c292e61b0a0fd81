"""rediss://: encrypted, verified, and clear about what is wrong."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexq.app import Nexq
from nexq.errors import BackendUnavailable, ConfigError
from tests.support.servers import free_port, redis_binary
from tests.support.waiting import until_sync


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A Redis that speaks TLS only, with a password. Gives its port and the file of its certificate."""
    binary, openssl = redis_binary(pytest.skip), shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is missing: no certificate can be made")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            openssl,
            *["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2"],
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    port = free_port()
    options = ["--port", "0", "--tls-port", str(port), "--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"]
    options += ["--tls-ca-cert-file", "cert.pem", "--tls-auth-clients", "no", "--requirepass", "pw", "--save", ""]
    options += ["--bind", "127.0.0.1"]
    server = subprocess.Popen([binary, *options], cwd=folder, stdout=subprocess.DEVNULL)
    until_sync(lambda: _listens(port), 5.0, what="the server to listen")
    yield port, folder / "cert.pem"
    server.kill()
    server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_jobs_run_over_tls(tls: tuple[int, Path]) -> None:
    port, certificate = tls
    app = Nexq(f"rediss://:pw@localhost:{port}?ssl_ca_certs={certificate}", patience=5)

    @app.handler
    async def double(n: int) -> int:
        return 2 * n

    async with app.worker(concurrency=10):
        jobs = await app.enqueue_many(double.bind(n) for n in range(600))
        assert [await job.result(10) for job in jobs[-3:]] == [1194, 1196, 1198]
    await app.aclose()


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("rediss://:pw@localhost:{port}", BackendUnavailable, "certificate verify failed"),
        ("rediss://:wrong@localhost:{port}?ssl_ca_certs={certificate}", ConfigError, "refuses the credentials"),
        ("redis://:pw@localhost:{port}", BackendUnavailable, "cannot connect"),
    ],
)
async def test_what_is_wrong_is_said_without_the_password(
    tls: tuple[int, Path], url: str, error: type[Exception], says: str
) -> None:
    port, certificate = tls
    app = Nexq(url.format(port=port, certificate=certificate), patience=1)
    with pytest.raises(error, match=says) as caught:
        await app.enqueue("any")
    assert "pw@" not in str(caught.value) and "wrong" not in str(caught.value)
    await app.aclose()
