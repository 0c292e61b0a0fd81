"""embedded://: which folder is meant, and what is said when it cannot be used."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from nexq.backends.embedded import parse_path
from nexq.backends.embedded_server import EmbeddedServer
from nexq.errors import BackendUnavailable, ConfigError
from tests.support.embedded_procs import GONE_S, User, none_living, server_pid, users_of, value_after_rejoin, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="who lives is read from /proc")


def test_spellings_of_one_path(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    spellings: list[str | Path] = [folder, tmp_path / "link", "store", "./store/../link/."]
    users = [User(spelling, cwd=tmp_path).join() for spelling in spellings]
    server_pid(folder)
    assert [user.do("call INCR n") for user in users] == [":1", ":2", ":3", ":4"]
    for user in users:
        user.end()


def test_long_path(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    deep = folder.joinpath(*["d" * 60] * 5)
    one, two = users_of(deep, 2)
    assert one.do("call INCR n") == ":1"
    assert two.do("call INCR n") == ":2"
    server_pid(deep)
    one.end()
    two.end()
    wait_until(lambda: none_living(deep), GONE_S)
    assert value_after_rejoin(deep, "n") == b"2"
    wait_until(lambda: none_living(deep), GONE_S)


def test_folder_deleted_under_its_users(folder: Path) -> None:
    """They begin anew, together, and nothing of the old store stays behind."""
    one, two = users_of(folder, 2)
    os.rename(folder, folder.with_name("away"))
    one.do("ensure")
    two.do("ensure")
    server_pid(folder)
    one.do("call SET k v")
    assert two.do("call GET k") == "$1"
    wait_until(lambda: none_living(folder.with_name("away")), GONE_S)
    one.end()
    two.end()


def test_path_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(
            ConfigError, match=r"it is a file, or a part of it is\. Expected: a folder .* Give another path"
        ):
            EmbeddedServer.join(path)
    with pytest.raises(
        ConfigError, match=r"^embedded:///proc/nexq cannot be used: No such file or directory\. Expected"
    ):
        EmbeddedServer.join("/proc/nexq")


def test_server_that_does_not_start_is_quoted(folder: Path) -> None:
    (folder / "appendonlydir").mkdir(parents=True)
    (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(BackendUnavailable, match=r"is not running .*\n(.*\n)*.*nonsense"):
        EmbeddedServer.join(folder)


def test_urls() -> None:
    assert parse_path("embedded://") == (Path(".nexq"), {})
    assert parse_path("embedded://.nexq") == (Path(".nexq"), {})
    assert parse_path("embedded:///var/lib/x?fsync=always") == (Path("/var/lib/x"), {"fsync": "always"})
    assert parse_path("embedded://a%20b%3F") == (Path("a b?"), {})
    assert parse_path("embedded://~/x") == (Path.home() / "x", {})
    for url, why in {
        "embedded://x?fsnyc=no": "no option is called 'fsnyc'. Known: fsync",
        "embedded://x?fsync=never": "fsync is 'never'; expected everysec or always",
        "redis://x": "expected embedded://PATH",
    }.items():
        with pytest.raises(ConfigError, match=why.replace("?", r"\?")):
            parse_path(url)
