"""The command line of every question, and of all together."""

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from benchmarks.bench import report, targets
from benchmarks.bench.question import Measures, Options, Question
from benchmarks.bench.server import find_server
from benchmarks.bench.stats import spread
from benchmarks.bench.subject import Subject, SubjectError
from benchmarks.peers.install import wanted

FAILURES = (SubjectError, subprocess.TimeoutExpired, RedisError, OSError)
"""What a subject or its server may do wrong without ending the run."""


def say(text: str) -> None:
    """Progress goes to stderr: stdout is for the tables."""
    print(text, file=sys.stderr, flush=True)


def arguments(questions: Sequence[Question], argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    names = [question.name for question in questions]
    parser = argparse.ArgumentParser(prog="python -m benchmarks." + (names[0] if len(names) == 1 else "run"))
    parser.add_argument("--server", choices=["redis", "valkey"], default="redis")
    parser.add_argument("--peers", default="all", help="comma list, name or name:variant; floor and nexq come along")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each measure; the subjects take turns")
    parser.add_argument("--jobs", type=int, default=20000)
    parser.add_argument("--quick", action="store_true", help="one run, 5,000 jobs: to see that it works")
    if len(names) > 1:
        parser.add_argument("--only", default=",".join(names), help="comma list of questions")
    args = parser.parse_args(argv)
    args.only = getattr(args, "only", names[0]).split(",")
    if unknown := set(args.only) - set(names):
        parser.error(f"no such question: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if args.quick:
        args.repeat, args.jobs = 1, min(args.jobs, 5000)
    return args


def subjects(peers: str) -> list[Subject]:
    """The floor, nexq and the wanted peers that are installed."""
    specs = {"all": list(wanted()), "none": []}.get(peers, [spec for spec in peers.split(",") if spec])
    chosen: list[Subject] = []
    for spec in dict.fromkeys(["floor", "nexq", *specs]):
        subject = Subject(spec)
        if subject.name not in ("floor", "nexq", *wanted()):
            raise SystemExit(f"no such peer: {spec}; there are {', '.join(wanted())}")
        if not subject.is_there:
            say(f"{spec}: left out, not installed (python -m benchmarks.peers.install {subject.name})")
            continue
        try:
            assert subject.about
        except FAILURES as error:
            say(f"{spec}: left out: {error}")
            continue
        chosen.append(subject)
    return chosen


def ask(question: Question, chosen: Sequence[Subject], options: Options, repeat: int) -> report.Rows:
    """All runs of one question; within each repeat the subjects take turns, so load hits all alike."""
    runs: dict[str, list[Measures]] = {subject.spec: [] for subject in chosen if question.needs(subject)}
    errors: dict[str, str] = {}
    for turn in range(repeat):
        for subject in chosen:
            if subject.spec not in runs or subject.spec in errors:
                continue
            started = time.monotonic()
            try:
                runs[subject.spec].append(question.measure(subject, options))
            except FAILURES as error:
                errors[subject.spec] = str(error)
                say(f"{question.name} {subject.spec} FAILED: {error}")
                continue
            shown = " ".join(f"{name}={report.number(value)}" for name, value in runs[subject.spec][-1].items())
            say(f"{question.name} {turn + 1}/{repeat} {subject.spec}: {shown} [{time.monotonic() - started:.1f} s]")
    rows: report.Rows = {}
    for spec, measures in runs.items():
        if spec in errors:
            rows[spec] = {"error": errors[spec], "metrics": {}}
        else:
            rows[spec] = {"metrics": {name: spread([run[name] for run in measures]) for name in measures[0]}}
    return rows


def main(questions: Sequence[Question], argv: Sequence[str] | None = None) -> None:
    """Ask the questions, print the tables, write the JSON."""
    args = arguments(questions, argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and workers are stopped then too
    program = find_server(args.server)
    quick = {"pickups": 100, "idle_seconds": 5.0} if args.quick else {}
    options = Options(program=program, jobs=args.jobs, **quick)  # type: ignore[arg-type]
    machine = report.machine()
    chosen = subjects(args.peers)
    say(f"{args.server}: {', '.join(subject.spec for subject in chosen)}")
    asked = {question.name: question for question in questions if question.name in args.only}
    started = time.monotonic()
    results: dict[str, report.Rows] = {}
    for name, question in asked.items():
        results[name] = ask(question, chosen, options, args.repeat)
        print(report.table(question, results[name]), flush=True)
    print(targets.verdicts(results, lambda name, metric: asked[name].columns[metric]))
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    document: dict[str, Any] = {
        "machine": machine,
        "server": {"kind": args.server, "version": version},
        "options": {"jobs": args.jobs, "repeat": args.repeat, "quick": args.quick},
        "subjects": {subject.spec: {key: subject.about.get(key) for key in ("note", "versions")} for subject in chosen},
        "results": results,
    }
    for subject in chosen:
        print(f"- {subject.spec}: {subject.about['note']} ({subject.about['versions']})")
    print(f"\n{version}\n{machine}\n{time.monotonic() - started:.0f} s; written: {report.save(document)}")
