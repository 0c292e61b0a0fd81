"""Settings: argument, then environment, then pyproject.toml, then default."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexq import Nexq, config
from nexq.config import SETTINGS, setting
from nexq.errors import ConfigError


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable, _ in SETTINGS.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    config._project_table.cache_clear()


def project(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(text)


def test_each_source_hides_those_after_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert setting("concurrency", None, 7) == 7
    project(tmp_path, "[tool.nexq]\nconcurrency = 6")
    config._project_table.cache_clear()
    assert setting("concurrency", None, 7) == 6
    monkeypatch.setenv("NEXQ_CONCURRENCY", "5")
    assert setting("concurrency", None, 7) == 5
    assert setting("concurrency", 4, 7) == 4
    monkeypatch.setenv("NEXQ_CONCURRENCY", "")
    assert setting("concurrency", None, 7) == 6


@pytest.mark.parametrize("text", ["1", "true", "YES", "On"])
def test_words_for_true(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("NEXQ_STRICT", text)
    assert Nexq().strict is True


@pytest.mark.parametrize("text", ["0", "false", "No", "off"])
def test_words_for_false(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("NEXQ_STRICT", text)
    assert Nexq().strict is False


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("NEXQ_STRICT", "maybe", "true or false"),
        ("NEXQ_PAYLOAD_LIMIT", "1.5", "a whole number"),
        ("NEXQ_PAYLOAD_LIMIT", "big", "a whole number"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, expected: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError, match=f"{variable}: expected {expected}, got '{text}'"):
        Nexq()


def test_the_nearest_project_counts_also_from_below(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    project(tmp_path, '[tool.nexq]\nurl = "memory://project"\nqueues = ["a", "b"]')
    monkeypatch.chdir(below)
    assert Nexq().url == "memory://project"
    assert setting("queues", None, "") == "a,b"


@pytest.mark.parametrize(
    ("text", "words"),
    [("[tool.nexq]\nulr = 'x'", "unknown setting 'ulr'"), ("[tool.nexq", "cannot be read"), ("\x00", "cannot be read")],
)
def test_a_project_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, words: str) -> None:
    project(tmp_path, text)
    with pytest.raises(ConfigError, match=words) as caught:
        setting("url", None, "")
    assert str(tmp_path) in str(caught.value)


def test_names_of_variables_follow_the_settings() -> None:
    for name, (variable, kind) in SETTINGS.items():
        assert variable == "NEXQ_" + name.upper()
        assert kind in (str, int, float, bool)


def test_an_app_refuses_what_cannot_be_used() -> None:
    with pytest.raises(ConfigError, match="at most 50 s"):
        Nexq("memory://", patience=60)
    with pytest.raises(ValueError, match="namespace"):
        Nexq("memory://", namespace="a:b")
    with pytest.raises(ValueError, match="patience"):
        Nexq("memory://", patience=-1)
