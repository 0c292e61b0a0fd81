"""Which app, which server: import strings, and the order in which settings count."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Cli
from tests.support.servers import free_port

BROKEN = {
    "inner": "import nowhere_to_be_found\nfrom nexq import Nexq\napp = Nexq()\n",
    "syntax": "def (:\n",
    "raises": "def boom():\n    raise LookupError('no settings file')\n\nboom()\n",
    "two": "from nexq import Nexq\na = Nexq()\nb = Nexq()\nNUMBER = 5\ndef make():\n    return a\n",
    "none": "x = 1\n",
}


@pytest.fixture
def broken(cli: Cli) -> Cli:
    """A folder with modules that cannot be used."""
    for name, text in BROKEN.items():
        (cli.folder / f"{name}.py").write_text(text)
    return cli


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        (":app", 'Error: Import string ":app" must be in format "<module>:<attribute>".'),
        ("shop:", 'Error: Import string "shop:" must be in format "<module>:<attribute>".'),
        ("shop.py:app", 'not a file: try "shop:app".'),
        ("nowhere:app", 'Error: Could not import module "nowhere". Looked in '),
        ("nowhere.deep:app", 'Error: Could not import module "nowhere.deep".'),
        ("shop:nothing", 'Error: Attribute "nothing" not found in module "shop". Did you mean shop:app?'),
        ("two:NUMBER", 'Error: "two:NUMBER" is an int, expected a Nexq app. Did you mean two:a or two:b?'),
        ("two:make", 'Error: "two:make" is the function make(), expected a Nexq app.'),
        ("two", "The module has a and b."),
        ("none", "The module has no Nexq app."),
    ],
)
def test_an_import_string_that_names_no_app(broken: Cli, ref: str, said: str) -> None:
    done = broken.run("worker", ref, "--burst", code=1)

    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("module", "last"),
    [
        ("inner", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("syntax", "SyntaxError: invalid syntax"),
        ("raises", "LookupError: no settings file"),
    ],
)
def test_an_error_inside_the_module_is_shown_as_it_is(broken: Cli, module: str, last: str) -> None:
    said = broken.run("worker", f"{module}:app", code=1).stderr

    assert said.rstrip().endswith(last)
    assert f"{module}.py" in said
    assert "importlib" not in said and "nexq/cli" not in said


def test_a_module_with_one_app_is_enough(cli: Cli) -> None:
    assert "Using the app shop:app." in cli.run("worker", "shop", "--burst").stderr


def test_no_app_at_all_means_the_modules_there_are(cli: Cli) -> None:
    said = cli.run("worker", "--burst").stderr
    assert "module shell: off until NEXQ_SHELL_ALLOW names programs" in said and "4 handlers" in said


def test_flag_before_environment_before_project_before_default(cli: Cli) -> None:
    (cli.folder / "pyproject.toml").write_text('[tool.nexq]\nnamespace = "project"\nurl = "redis://nowhere:1"\n')

    def has_jobs(*args: str, env: dict[str, str] | None = None) -> bool:
        return bool(cli.json("queues", "ls", *args, env=env)["queues"])

    cli.call("enqueue", "t", "--namespace", "flag", env={"NEXQ_NAMESPACE": "env"})
    assert has_jobs("--namespace", "flag") and not has_jobs(env={"NEXQ_NAMESPACE": "env"})
    cli.call("enqueue", "t", env={"NEXQ_NAMESPACE": "env"})
    assert has_jobs("--namespace", "env") and not has_jobs()
    cli.call("enqueue", "t")
    assert has_jobs("--namespace", "project") and not has_jobs("--namespace", "nexq")


def test_what_the_apps_code_says_counts_most(cli: Cli) -> None:
    url = cli.env["NEXQ_URL"]
    text = f"from nexq import Nexq\napp = Nexq({url!r}, namespace='code')\n"
    (cli.folder / "own.py").write_text(text)
    elsewhere = f"redis://127.0.0.1:{free_port()}"

    done = cli.run("enqueue", "t", "--app", "own:app", "--url", elsewhere, "--namespace", "flag")

    assert "The app's code gives its own URL; --url is not used." in done.stderr
    assert "its own namespace, 'code'" in done.stderr
    assert len(cli.json("queues", "ls", "--namespace", "code")["queues"]) == 1


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"NEXQ_CONCURRENCY": "many"}, "NEXQ_CONCURRENCY"),
        ({"NEXQ_LOG_FORMAT": "xml"}, "Expected the log format to be console or json, got 'xml'."),
        ({"NEXQ_WATCHDOG": "x"}, "NEXQ_WATCHDOG: expected a number, got 'x'."),
    ],
)
def test_an_environment_that_cannot_be(cli: Cli, env: dict[str, str], said: str) -> None:
    code = 2 if "NEXQ_CONCURRENCY" in env else 1
    assert said in cli.run("worker", "shop:app", code=code, env=env).stderr


def test_a_project_file_that_cannot_be(cli: Cli) -> None:
    (cli.folder / "pyproject.toml").write_text("[tool.nexq]\nurll = 'x'\n")

    assert "unknown setting 'urll' in [tool.nexq]. Known: url, app" in cli.error("jobs", "ls")


def test_an_unsafe_server_is_refused_unless_allowed(cli: Cli) -> None:
    cli.store(lambda store: store.backend.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"))  # type: ignore
    try:
        assert "Set it to 'noeviction'" in cli.error("enqueue", "t")
        assert "Set it to 'noeviction'" in cli.run("worker", "shop:app", "--burst", code=1).stderr
        cli.call("enqueue", "t", "--allow-unsafe")
        cli.run("worker", "shop:app", "--burst", "--allow-unsafe")
    finally:
        cli.store(lambda store: store.backend.command("CONFIG", "SET", "maxmemory-policy", "noeviction"))  # type: ignore


def test_help_is_everywhere(cli: Cli) -> None:
    text = cli.out("--help")
    for verb in ("up", "worker", "enqueue", "jobs", "dead", "queues", "workers", "doctor", "stress"):
        assert f" {verb} " in text
        assert "Usage: nexq" in cli.out(verb, "--help")
    assert cli.run("version").stdout == cli.run("--version").stdout
