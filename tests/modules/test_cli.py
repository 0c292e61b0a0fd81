"""Modules on the command line, as a user types it; and the template, built and used as a package."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexq.cli.schema import build, fields
from nexq.errors import InvalidPayload
from tests.cli.conftest import ROOT, Cli, bare, cli  # noqa: F401  (fixtures)
from tests.modules.conftest import Site, site

OWN = """
from nexq import Failure, Module

module = Module("own", about="of one's own")

@module.handler("greet", priority="high")
async def greet(name: str = "world", *, loud: bool = False) -> str:
    return f"Hello, {name}{'!' if loud else '.'}"

@module.handler("refuse")
async def refuse(why: str) -> None:
    raise Failure(why, retry=False)
"""


@pytest.fixture
def web() -> Iterator[Site]:
    """A server in a thread: the command line blocks this one."""
    ready, stop = threading.Event(), threading.Event()
    made: list[Site] = []

    async def main() -> None:
        async with site(lambda r: (200, {"content-type": "application/json"}, b'{"hello": 1}')) as there:
            made.append(there)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    ready.wait(5)
    yield made[0]
    stop.set()
    thread.join()


def test_modules_are_listed_with_their_schemas(cli: Cli) -> None:  # noqa: F811
    text = cli.out("modules", "ls")
    for part in ("shell:run", "http:request", "email:send", "ethereum:check_balance", "url*=string", "bundled"):
        assert part in text
    assert "email: a simulation, nothing is sent: NEXQ_SMTP_URL is not set" in text
    listed = {entry["name"]: entry for entry in cli.json("modules", "ls")}
    assert list(listed) == ["shell", "http", "email", "ethereum"]
    request = listed["http"]["handlers"][0]
    assert request["type"] == "http:request"
    assert request["schema"]["required"] == ["url"] and request["schema"]["additionalProperties"] is False
    assert "cannot be used: NEXQ_HTTP_ALLOW" not in text
    wrong = cli.out("modules", "ls", env={"NEXQ_SHELL_ALLOW": "echo"})
    assert "cannot be used: NEXQ_SHELL_ALLOW: expected absolute paths" in wrong


def test_a_worker_without_an_app_runs_the_modules(cli: Cli, web: Site) -> None:  # noqa: F811
    cli.spawn("worker", env={"NEXQ_SHELL_ALLOW": "/bin/echo", "NEXQ_HTTP_ALLOW": "127.0.0.1"}).until("4 handlers")
    done = cli.call("enqueue", "http:request", json.dumps({"url": web.url("/a")}), "--wait", "20")
    assert json.loads(done.stdout)["json"] == {"hello": 1}
    done = cli.call("enqueue", "shell:run", "-s", "argv=/bin/echo", "-s", "argv=hi", "--wait", "20")
    assert json.loads(done.stdout)["stdout"] == "hi\n"
    refused = cli.call("enqueue", "shell:run", '{"argv": ["/bin/ls"]}', "--wait", "20", code=1).stderr
    assert "ShellFailed: '/bin/ls' is not among the programs" in refused and "Traceback" not in refused
    mail = ["enqueue", "email:send", "--set", "to=a@example.com", "--set", "to=b@example.com", "--set", "from=c@d.ef"]
    sent = json.loads(cli.call(*mail, "--max-attempts", "20", "--wait", "30").stdout)
    assert (sent["sent"], sent["accepted"]) == (False, ["a@example.com", "b@example.com"])


def test_bad_payloads_are_refused_where_they_are_typed(cli: Cli) -> None:  # noqa: F811
    said = cli.error("enqueue", "http:request", '{"url": "http://x.example/", "verfy": 1, "foo": 2}')
    assert "/verfy: " in said and "/foo: " in said
    assert "no user name and no password" in cli.error("enqueue", "http:request", "http://u:p@x.example/")
    assert "EIP-55" in cli.error(
        "enqueue", "ethereum:check_balance", "--set", "address=0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"
    )
    said = cli.error("enqueue", "http:request", "--set", "uri=http://x.example/")
    assert "There is no field 'uri'. Did you mean 'url'? Fields: url, method" in said
    assert "expected number, got 'soon'" in cli.error(
        "enqueue", "http:request", "-s", "url=http://x.y/", "-s", "timeout=soon"
    )
    assert "Expected --set key=value" in cli.error("enqueue", "http:request", "--set", "url")
    assert not cli.json("queues", "ls")["queues"]


def test_a_module_of_ones_own_by_its_path(cli: Cli) -> None:  # noqa: F811
    (cli.folder / "greetings.py").write_text(OWN)
    assert "own:greet" in cli.run("modules", "ls", "--module", "greetings").stdout
    cli.run("enqueue", "own:greet", "--module", "greetings:module", "--set", "name=Ada", "--id", "one")
    cli.run("enqueue", "own:refuse", '{"why": "because"}', "--max-attempts", "9", "--id", "two")
    said = cli.run("worker", "--module", "greetings", "--burst").stderr
    assert "6 handlers" in said
    assert cli.json("jobs", "show", "one")["result"] == "Hello, Ada."
    two = cli.json("jobs", "show", "two")
    assert (two["state"], two["attempt"], two["error"]) == ("dead", 1, "Failure: because")
    # Known from the worker now, though nothing of it is imported here; so are its fields.
    said = cli.error("enqueue", "own:greet", "--set", "nam=Ada")
    assert "There is no field 'nam'. Did you mean 'name'?" in said
    cli.call("enqueue", "own:greet", "--set", "name=12", "--set", "loud=true", "--id", "three")
    assert cli.json("jobs", "show", "three")["payload"] == {"name": "12", "loud": True}


def test_modules_go_with_an_app_that_asks_for_them(cli: Cli) -> None:  # noqa: F811
    said = cli.run("worker", "shop:app", "--module", "http", "--burst").stderr
    assert "5 handlers" in said
    said = cli.run("worker", "shop:app", "--burst", env={"NEXQ_MODULES": "http,email"}).stderr
    assert "6 handlers" in said
    assert "No module is named 'htp'" in cli.run("worker", "--module", "htp", code=1).stderr
    assert "expected absolute paths" in cli.run("worker", code=1, env={"NEXQ_SHELL_ALLOW": "sh"}).stderr
    (cli.folder / "empty.py").write_text("x = 1\n")
    assert "it has none" in cli.run("worker", "--module", "empty", code=1).stderr
    assert "own:greet" not in cli.run("worker", "-m", "os.path:join", code=1).stderr


def test_several_processes_take_the_modules_too(cli: Cli) -> None:  # noqa: F811
    (cli.folder / "greetings.py").write_text(OWN)
    cli.call("enqueue", "own:greet", "--id", "one")
    cli.run("worker", "--module", "greetings", "--burst", "--processes", "2")
    assert cli.json("jobs", "show", "one")["result"] == "Hello, world."


def test_up_has_the_bundled_ones(bare: Cli) -> None:  # noqa: F811
    up = bare.spawn("up", "--port", "0")
    up.until("Ctrl-C ends it.")
    for type in ("shell:run", "http:request", "email:send", "ethereum:check_balance", "demo:hello"):
        assert type in up.text()


def test_bulk_from_stdin(cli: Cli) -> None:  # noqa: F811
    lines = "".join(
        json.dumps({"type": "email:send", "payload": {"to": f"u{n}@example.com"}}) + "\n" for n in range(2500)
    )
    assert "2,500 jobs" in cli.call("enqueue", "-", stdin=lines).stdout


# -- The template


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the template's wheel is unpacked, as an installer does."""
    folder = tmp_path_factory.mktemp("template")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    made = subprocess.run([*command, str(ROOT / "examples" / "resize_image")], capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "site")
    return folder / "site"


def test_the_template_is_found_and_works(cli: Cli, template: Path) -> None:  # noqa: F811
    from PIL import Image

    Image.new("RGB", (400, 200), "red").save(cli.folder / "in.png")
    env = {"PYTHONPATH": f"{ROOT}:{template}"}
    listed = {entry["name"]: entry for entry in json.loads(cli.run("modules", "ls", "--json", env=env).stdout)}
    assert listed["image"]["source"] == "nexq-resize-image 0.1.0"
    assert listed["image"]["handlers"][0]["type"] == "image:resize"
    payload = {"source": str(cli.folder / "in.png"), "target": str(cli.folder / "out.png"), "width": 100}
    cli.run("enqueue", "image:resize", json.dumps(payload), "--id", "one", env=env)
    refused = cli.run("enqueue", "image:resize", json.dumps({**payload, "width": 0, "depth": 1}), env=env, code=1)
    assert "/width" in refused.stderr and "/depth" in refused.stderr
    cli.run("worker", "--burst", env=env)
    assert cli.json("jobs", "show", "one")["result"] == {"width": 100, "height": 50}
    with Image.open(cli.folder / "out.png") as picture:
        assert picture.size == (100, 50)


def test_the_template_is_short() -> None:
    code = (ROOT / "examples" / "resize_image" / "resize_image.py").read_text()
    assert len(code.splitlines()) <= 25


def test_a_broken_package_hinders_nobody(cli: Cli, tmp_path: Path) -> None:  # noqa: F811
    about = tmp_path / "site" / "acme-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    points = "broken = nowhere_at_all:module\nplain = json:dumps\nhttp = acme_http:module\n"
    (about / "entry_points.txt").write_text(f"[nexq.modules]\n{points}")
    (tmp_path / "site" / "acme_http.py").write_text("from nexq import Module\nmodule = Module('http')\n")
    env = {"PYTHONPATH": f"{ROOT}:{tmp_path / 'site'}"}
    listed = json.loads(cli.run("modules", "ls", "--json", env=env).stdout)
    errors = {(entry["name"], entry["source"]): entry["error"] for entry in listed if entry["error"]}
    assert "No module named 'nowhere_at_all'" in errors["broken", "acme 1.0"]
    assert "Expected a nexq Module" in errors["plain", "acme 1.0"]
    assert "already" in errors["http", "acme 1.0"]
    said = cli.run("worker", "--burst", env=env).stderr
    assert "module broken (acme 1.0) is left out" in said and "4 handlers" in said
    assert "cannot be used" in cli.run("worker", "--module", "broken", env=env, code=1).stderr


# -- Fields of a schema

SCHEMA: dict[str, Any] = {
    "properties": {
        "text": {"type": "string"},
        "n": {"type": "integer"},
        "x": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "on": {"type": "boolean"},
        "list": {"type": "array", "items": {"type": "integer"}},
        "some": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "any": {},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "ref": {"$ref": "#/$defs/Point"},
        "kind": {"enum": ["a", "b"], "type": "string"},
    },
    "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "number"}}}},
    "required": ["text"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("given", "payload"),
    [
        (["text=12"], {"text": "12"}),
        (["text="], {"text": ""}),
        (["text=a=b"], {"text": "a=b"}),
        (["n=12"], {"n": 12}),
        (["x=1"], {"x": 1}),
        (["x=null"], {"x": None}),
        (["on=true"], {"on": True}),
        (["list=1"], {"list": [1]}),
        (["list=1", "list=2"], {"list": [1, 2]}),
        (["list=[1, 2]"], {"list": [1, 2]}),
        (["some=a"], {"some": "a"}),
        (["some=a", "some=b", "some=c"], {"some": ["a", "b", "c"]}),
        (["any=1"], {"any": 1}),
        (["any=one"], {"any": "one"}),
        (['any={"a": [1]}'], {"any": {"a": [1]}}),
        (['text:="1"'], {"text": "1"}),
        (["map.a=1", "map.b.c=2"], {"map": {"a": "1", "b.c": "2"}}),
        (["ref.x=1.5"], {"ref": {"x": 1.5}}),
        (["kind=a"], {"kind": "a"}),
    ],
)
def test_values_become_what_the_schema_wants(given: list[str], payload: dict[str, Any]) -> None:
    assert build(SCHEMA, given, {}) == payload


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["n=1.5"], "expected integer"),
        (["n=x"], "expected integer"),
        (["on=yes"], "expected boolean"),
        (["list=a"], "expected integer"),
        (["map=a"], "not JSON"),
        (["text.a=1"], "not an object"),
        (["nope=1"], "Fields: text, n"),
        (["any:={"], "not JSON"),
        (["=1"], "key=value"),
    ],
)
def test_values_that_cannot_be_are_refused(given: list[str], said: str) -> None:
    with pytest.raises(InvalidPayload, match=said):
        build(SCHEMA, given, {})


def test_without_a_schema_values_are_json_or_strings() -> None:
    assert build(None, ["a=1", "b=x", "c.d=true"], {"z": 0}) == {"z": 0, "a": 1, "b": "x", "c": {"d": True}}
    with pytest.raises(InvalidPayload, match="object"):
        build(None, ["a=1"], [1])


def test_fields_in_one_line() -> None:
    assert fields(SCHEMA)[:6] == [
        "text*=string",
        "n=integer",
        "x=number",
        "on=boolean",
        "list=[integer]",
        "some=string|[string]",
    ]
    assert "kind=a|b" in fields(SCHEMA)
