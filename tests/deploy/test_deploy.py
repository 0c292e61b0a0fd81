"""What lies in deploy/ fits nexq: its commands, settings, ports, keys and metrics; and fits the tools that read it.

Tools that are not on the machine are skipped: docs/operations.md says which files were checked with which tool.
"""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from nexq.cli.main import VERBS, build
from nexq.config import SETTINGS
from nexq.keys import queue_keys
from nexq.metrics.names import BUILD, SERVER, WORKER
from nexq.states import PRIORITIES, PRIORITY_NAMES

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
YAML = sorted(p for p in DEPLOY.rglob("*.y*ml"))
UNITS = sorted(DEPLOY.rglob("*.service"))

_HISTOGRAMS = ("nexq_job_duration_seconds", "nexq_worker_exchange_seconds")
#: Names of samples, as queries use them.
SAMPLES = {f"{name}{end}" for name in (*SERVER, *WORKER) for end in ("", "_total")}
SAMPLES |= {f"{name}{end}" for name in _HISTOGRAMS for end in ("_bucket", "_sum", "_count")} | {f"{BUILD}_info"}


def documents(path: Path) -> list[dict[str, Any]]:
    return [d for d in yaml.safe_load_all(path.read_text(encoding="utf-8")) if d is not None]


def kubernetes() -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in (*(DEPLOY / "kubernetes").glob("*.yaml"), *(DEPLOY / "keda").glob("*.yaml")):
        yield from ((path, d) for d in documents(path) if "kind" in d)


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    for _, document in kubernetes():
        if document["kind"] == "Deployment":
            for container in document["spec"]["template"]["spec"]["containers"]:
                yield document["metadata"]["name"], container


def compose() -> dict[str, Any]:
    (found,) = documents(DEPLOY / "compose" / "compose.yaml")
    return found


# -- Commands


def commands() -> list[list[str]]:
    """Every `nexq …` that the files start."""
    found = [service["command"] for service in compose()["services"].values() if service.get("image") == "nexq:latest"]
    found += [container["args"] for _, container in containers()]
    for unit in UNITS:
        found += [line.split()[1:] for line in re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)]
    return found


def test_there_are_commands() -> None:
    assert {command[0] for command in commands()} == {"server", "worker"}
    assert len(commands()) == 6


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_commands_are_in_the_cli(command: list[str]) -> None:
    root = typer.main.get_command(build())
    verb = root.commands[command[0]]  # type: ignore[attr-defined]
    words = [word.replace("%i", "9090") for word in command[1:]]
    context = verb.make_context(command[0], words, resilient_parsing=False)
    assert context.params["metrics_addr" if command[0] == "worker" else "port"]


def test_the_image_starts_the_cli() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["nexq"]' in text
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert text.count("\nFROM ") == 2


# -- Settings


def variables() -> set[str]:
    """The environment variables that nexq knows: those of settings, and those of the verbs' options alone."""
    known = {variable for variable, _ in SETTINGS.values()}
    for verb in VERBS:
        importlib.import_module(f"nexq.cli.{verb}")
    root = typer.main.get_command(build())
    for verb in ("worker", "server", "up"):
        params = root.commands[verb].params  # type: ignore[attr-defined]
        known |= {param.envvar for param in params if isinstance(param.envvar, str)}
    return known


@pytest.mark.parametrize("path", sorted(p for p in DEPLOY.rglob("*") if p.is_file()), ids=lambda p: p.name)
def test_variables_are_settings(path: Path) -> None:
    used = set(re.findall(r"\bNEXQ_[A-Z_]+\b", path.read_text(encoding="utf-8")))
    assert used <= variables()


# -- Ports, probes, times


def test_ports_of_containers_are_those_of_their_commands() -> None:
    for name, container in containers():
        (port,) = [p["containerPort"] for p in container["ports"]]
        args = container["args"]
        given = args[args.index("--port") + 1] if "server" in name else args[args.index("--metrics-addr") + 1]
        assert given.rpartition(":")[2] == str(port)
        named = {p["name"] for p in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in named
            assert container[probe]["httpGet"]["path"] == ("/readyz" if probe == "readinessProbe" else "/livez")


def test_scrape_targets_are_there() -> None:
    services = compose()["services"]
    (config,) = documents(DEPLOY / "compose" / "prometheus" / "prometheus.yml")
    server, worker = config["scrape_configs"]
    assert server["static_configs"][0]["targets"] == ["server:8080"]
    assert services["server"]["command"][-1] == "8080"
    (found,) = worker["dns_sd_configs"]
    assert services["worker"]["command"][-1] == f":{found['port']}"
    assert found["names"] == ["worker"]
    for name, annotated in ((d["metadata"]["name"], d) for _, d in kubernetes() if d["kind"] == "Deployment"):
        notes = annotated["spec"]["template"]["metadata"]["annotations"]
        (container,) = [c for n, c in containers() if n == name]
        assert notes["prometheus.io/port"] == str(container["ports"][0]["containerPort"])


def test_jobs_have_time_to_end_before_the_kill() -> None:
    worker = compose()["services"]["worker"]
    assert int(worker["stop_grace_period"].rstrip("s")) > int(worker["environment"]["NEXQ_GRACE"]) + 10
    for _, document in kubernetes():
        if document["kind"] == "Deployment" and "worker" in document["metadata"]["name"]:
            pod = document["spec"]["template"]["spec"]
            env = {e["name"]: e.get("value") for e in pod["containers"][0]["env"]}
            assert pod["terminationGracePeriodSeconds"] > int(env["NEXQ_GRACE"]) + 10
    unit = (DEPLOY / "systemd" / "nexq-worker@.service").read_text()
    grace, stop = re.search(r"--grace (\d+)", unit), re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert grace and stop and int(stop[1]) > int(grace[1]) + 10


@pytest.mark.parametrize("path", ["compose/compose.yaml", "kubernetes/valkey.yaml"])
def test_valkey_keeps_its_jobs(path: str) -> None:
    text = " ".join((DEPLOY / path).read_text().replace('"', "").split())
    for words in ("--appendonly - yes", "--maxmemory-policy - noeviction", "--appendfsync - everysec"):
        assert words in text


def test_two_workers() -> None:
    assert compose()["services"]["worker"]["deploy"]["replicas"] == 2


def test_no_password_is_written_down() -> None:
    for path in (p for p in DEPLOY.rglob("*") if p.is_file() and "example" not in p.name):
        for url in re.findall(r"(?:redis|valkey)s?://\S*", path.read_text(encoding="utf-8")):
            assert "${VALKEY_PASSWORD" in url, f"{path}: {url}"


# -- Metrics and keys


def queries() -> Iterator[tuple[str, str]]:
    board = json.loads((DEPLOY / "grafana" / "nexq.json").read_text())
    for panel in board["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])
    yield "variable", board["templating"]["list"][1]["definition"]
    (rules,) = documents(DEPLOY / "compose" / "prometheus" / "rules.yml")
    for rule in rules["groups"][0]["rules"]:
        yield rule["alert"], rule["expr"]
    (adapter,) = documents(DEPLOY / "kubernetes" / "adapter-values.yaml")
    yield "adapter", adapter["rules"]["external"][0]["seriesQuery"]
    yield "hpa", _hpa()["metrics"][0]["external"]["metric"]["name"]
    yield "keda", _triggers("prometheus")[0]["query"]


def _hpa() -> dict[str, Any]:
    (hpa,) = documents(DEPLOY / "kubernetes" / "hpa.yaml")
    spec: dict[str, Any] = hpa["spec"]
    return spec


def _triggers(kind: str) -> list[dict[str, Any]]:
    scaled = documents(DEPLOY / "keda" / "scaledobject.yaml")[0]
    return [t["metadata"] for t in scaled["spec"]["triggers"] if t["type"] == kind]


def test_metrics_in_queries_are_told() -> None:
    used = {name for _, query in queries() for name in re.findall(r"\bnexq_[a-z_]+\b", query)}
    assert used <= SAMPLES, used - SAMPLES
    # Counters and histograms have endings; a query without one finds nothing.
    assert not used & {"nexq_jobs_enqueued", "nexq_jobs_finished", "nexq_job_retries", *_HISTOGRAMS}


def test_the_dashboard_shows_what_matters() -> None:
    used = " ".join(query for _, query in queries())
    hidden = {"nexq_worker_backlog_jobs", "nexq_scrape_seconds"}
    assert [n for n in (*SERVER, *WORKER) if n not in used and n not in hidden] == []


def test_panels_do_not_overlap() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in json.loads((DEPLOY / "grafana" / "nexq.json").read_text())["panels"]:
        at = panel["gridPos"]
        area = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & area, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= area


def test_the_hpa_follows_the_hint() -> None:
    external = _hpa()["metrics"][0]["external"]
    assert external["metric"]["name"] == "nexq_desired_workers"
    assert external["target"] == {"type": "AverageValue", "averageValue": "1"}
    assert _hpa()["scaleTargetRef"]["name"] == "nexq-worker"


def test_keda_counts_the_ready_sets() -> None:
    named = [t["listName"] for t in _triggers("redis")]
    ready = queue_keys("nexq", "default")["ready"]
    assert named == [f"{ready}{p}" for p in sorted(PRIORITY_NAMES.values(), reverse=True)]
    assert all(int(name.rpartition(":")[2]) in PRIORITIES for name in named)


# -- The tools that read the files


@pytest.mark.parametrize("path", YAML, ids=lambda p: p.name)
def test_yaml_is_yaml(path: Path) -> None:
    assert documents(path)


def run(tool: str, *args: str | Path) -> None:
    where = shutil.which(tool) or shutil.which(tool, path=str(Path(sys.executable).parent))
    if where is None:
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([where, *map(str, args)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_kubernetes_takes_the_manifests() -> None:
    paths = [p for p in (DEPLOY / "kubernetes").glob("*.yaml") if p.name not in _NO_MANIFESTS]
    run("kubernetes-validate", "--strict", *paths)


_NO_MANIFESTS = {"kustomization.yaml", "adapter-values.yaml"}


def test_kustomize_finds_every_file() -> None:
    (kustomization,) = documents(DEPLOY / "kubernetes" / "kustomization.yaml")
    left = {p.name for p in (DEPLOY / "kubernetes").glob("*.yaml")} - set(kustomization["resources"])
    assert left == _NO_MANIFESTS | {"secret.example.yaml"}


def test_compose_takes_the_file() -> None:
    spec = pytest.importorskip("compose_spec", reason="compose-spec is not installed")
    options = spec.PyOptions()
    options.apply_merge = True
    text = (DEPLOY / "compose" / "compose.yaml").read_text()
    found = options.from_yaml(re.sub(r"\$\{(\w+)[^}]*\}", r"\1", text))
    found.validate()
    assert {"valkey", "server", "worker", "prometheus", "grafana"} == set(found.service_names())


def test_prometheus_takes_its_configuration() -> None:
    run("promtool", "check", "config", DEPLOY / "compose" / "prometheus" / "prometheus.yml")


def test_a_linter_finds_nothing_in_the_dockerfile() -> None:
    run("hadolint", DEPLOY / "Dockerfile")


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    program = shutil.which("true")
    for unit in UNITS:
        text = unit.read_text().replace("/opt/nexq/bin/nexq", str(program))
        (tmp_path / unit.name).write_text(text.replace("EnvironmentFile=/etc/nexq/nexq.env\n", ""))
    run("systemd-analyze", "verify", *(tmp_path / unit.name for unit in UNITS))
