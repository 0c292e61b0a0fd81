"""docs/modules.md: its payloads are payloads, its settings are settings, its code runs."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

import pytest

from nexq import JobState, Nexq
from nexq.config import SETTINGS
from nexq.modules import module_in
from tests.cli.conftest import ROOT
from tests.modules.conftest import outcome

PAGE = (ROOT / "docs" / "modules.md").read_text(encoding="utf-8")
SECTIONS = {part.splitlines()[0]: part for part in PAGE.split("\n## ")[1:]}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


@pytest.mark.parametrize("type", ["http:request", "shell:run", "email:send", "ethereum:check_balance"])
async def test_the_payloads_fit_and_every_field_is_told(app: Nexq, type: str) -> None:
    spec = app.registry.get(type)
    assert spec is not None
    payload = json.loads(
        blocks(SECTIONS[type], "json")[0].replace("Bearer …", "Bearer x").replace("JVBERi0…", "JVBERi0=")
    )
    spec.signature.check(payload)
    for field in spec.signature.json_schema()["properties"]:
        assert f"`{field}`" in SECTIONS[type] or f'"{field}"' in SECTIONS[type], field


def test_the_settings_are_those_there_are() -> None:
    known = {variable for variable, _ in SETTINGS.values()}
    told = set(re.findall(r"NEXQ_[A-Z_]+[A-Z]", PAGE))
    assert told <= known
    of_modules = {
        v for v in known if v.startswith(("NEXQ_SHELL_", "NEXQ_HTTP_", "NEXQ_SMTP_", "NEXQ_EMAIL_", "NEXQ_ETH"))
    }
    assert of_modules <= told


async def test_the_module_of_your_own_works() -> None:
    import types

    made = types.ModuleType("my_sms")
    scope: dict[str, Any] = vars(made)
    exec(compile(blocks(SECTIONS["A module of your own"], "python")[0], "modules.md", "exec"), scope)
    app = Nexq("memory://" + secrets.token_hex(6))
    app.include(module_in(made))
    job = await outcome(app, "sms:send", {"to": "+1", "text": "x"})
    assert json.loads(job.result or b"") == {"to": "+1", "id": job.id}
    job = await outcome(app, "sms:send", {"to": "1", "text": "x"}, max_attempts=9)
    assert (job.state, job.last_error) == (JobState.DEAD, "Failure: 1 is not an international number.")
    await app.aclose()
