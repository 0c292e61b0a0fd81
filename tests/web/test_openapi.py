"""The description: valid, complete, true to the server; and the page that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from itertools import product
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from nexq import Nexq
from nexq.schema import PayloadSchema
from nexq.signature import Signature
from nexq.web.openapi import describe
from nexq.web.rules import API
from tests.support.servers import Server
from tests.support.waiting import until_sync
from tests.unit.test_schema import VALUES, anything, many, needs, none, open_ended, takes
from tests.web.conftest import Served, make_app

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def described(working: Served) -> dict[str, Any]:
    answer = working.client.get("/openapi.json")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    return dict(answer.json())


def operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in description["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_it_is_valid(described: dict[str, Any]) -> None:
    assert described["openapi"] == "3.1.0"
    assert [error.message for error in OpenAPIV31SpecValidator(described).iter_errors()] == []


def test_every_route_with_an_answer_is_in_it(described: dict[str, Any]) -> None:
    there = {(method.upper(), path) for method, path, _ in operations(described)}
    for rule in API:
        path = rule.path.replace(":path}", "}")
        assert (rule.method, path) in there or not rule.answers, f"{rule.method} {path} is not described"


def test_every_operation_says_what_it_takes_and_gives(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(names) == len(set(names))
    for method, path, operation in operations(described):
        where = f"{method} {path}"
        assert operation["summary"] and operation["tags"], where
        assert any(status < "400" for status in operation["responses"]), where
        names = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"]
        assert names == re.findall(r"{(\w+)}", path), where
        if operation["security"]:
            assert {"401", "403"} <= operation["responses"].keys(), where
        if "requestBody" in operation:
            assert {"400", "413", "415", "422"} <= operation["responses"].keys(), where
    for status, answer in described["components"]["responses"].items():
        assert list(answer["content"]) == ["application/problem+json"]
        assert ("Retry-After" in answer.get("headers", {})) == (status in ("429", "503"))


def test_each_handler_has_a_path_with_its_payload(described: dict[str, Any], working: Served) -> None:
    operation = described["paths"]["/api/handlers/send_email/jobs"]["post"]
    assert operation["description"] == "Send an e-mail."
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["anyOf"][0]["$ref"]
    schema = described["components"]["schemas"][reference.removeprefix("#/components/schemas/")]
    assert schema["required"] == ["to"] and schema["properties"]["to"]["type"] == "string"
    assert working.client.post("/api/handlers/send_email/jobs", json={"to": "a"}).status_code == 202
    assert working.client.post("/api/handlers/send_email/jobs", json={"too": "a"}).status_code == 422


@pytest.mark.parametrize("fn", [many, none, open_ended, anything, needs])
def test_a_handlers_body_is_taken_exactly_where_it_fits_what_is_described(fn: Any) -> None:
    signature = Signature(fn, "it")
    schema = signature.json_schema()
    description = describe(API, [{"name": "it", "schema": schema}])
    body = description["paths"]["/api/handlers/it/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator({**body, "components": description["components"]})
    exact = partial(PayloadSchema("it", schema).check, exact=True)
    payloads = [*VALUES, *({name: value} for name, value in product([*signature.names, "new"], VALUES))]
    assert [takes(exact, payload) for payload in payloads] == [validator.is_valid(payload) for payload in payloads]


@pytest.mark.parametrize("known_here", [True, False])
def test_a_handlers_path_keeps_to_its_schema_and_jobs_to_what_the_handler_reads(
    valkey: Server, known_here: bool
) -> None:
    app = make_app(valkey.url)
    with Served(app, worker=True) as working, Served(Nexq(valkey.url, namespace=app.namespace)) as bare:
        client = working.client if known_here else bare.client
        until_sync(lambda: "report" in {h["name"] for h in client.get("/api/handlers").json()["handlers"]}, 15.0)
        for body, pointer in (
            *(('{"steps": "1"}', "/steps"), ('{"steps": true}', "/steps"), ('{"step": 1}', "/step")),
            *(("true", ""), ("null", ""), ('"1"', ""), ("[1]", "")),
        ):
            answer = client.post("/api/handlers/report/jobs", content=body, headers=JSON)
            assert answer.status_code == 422, body
            assert answer.json()["errors"][0]["pointer"] == pointer, body
        for body in ({"steps": 1}, {"steps": 1.0}, 1, {}):
            assert client.post("/api/handlers/report/jobs", json=body).status_code == 202, body
        assert client.post("/api/handlers/report/jobs").status_code == 202
        assert client.post("/api/handlers/stay/jobs", content="null", headers=JSON).status_code == 422
        assert client.post("/api/jobs", json={"type": "report", "payload": {"steps": "1"}}).status_code == 202


def test_handlers_with_awkward_names_and_nested_schemas(valkey: Server) -> None:
    from pydantic import BaseModel

    class Point(BaseModel):
        x: int
        next: Point | None = None

    Point.model_rebuild(_types_namespace={"Point": Point})
    app = make_app(valkey.url)
    for name in ("a b", "a/b", "a_b", "ü:x", "50%", "?#"):

        async def plot(at: Point) -> None: ...

        plot.__annotations__["at"] = Point
        app.handler(name)(plot)
    with Served(app) as served:
        description = served.client.get("/openapi.json").json()
        assert [error.message for error in OpenAPIV31SpecValidator(description).iter_errors()] == []
        paths = [p for p in description["paths"] if p.startswith("/api/handlers/") and "{name" not in p]
        assert {unquote(p.split("/")[3]) for p in paths} >= {"a b", "a/b", "a_b", "ü:x", "50%", "?#"}
        for path in paths:
            if unquote(path.split("/")[3]) in ("a b", "a/b", "a_b", "ü:x", "50%", "?#"):
                good = served.client.post(path, json={"at": {"x": 1, "next": {"x": 2}}})
                assert good.status_code == 202, path
                job = served.client.get(good.headers["location"]).json()
                assert job["type"] == unquote(path.split("/")[3])
                assert served.client.post(path, json={"at": {"x": "?"}}).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/jobs", None),
        ("GET", "/api/jobs/{id}", None),
        ("GET", "/api/dead", None),
        ("GET", "/api/queues", None),
        ("GET", "/api/queues/{queue}", None),
        ("GET", "/api/workers", None),
        ("GET", "/api/handlers", None),
        ("GET", "/api/stats", None),
        ("POST", "/api/jobs", {"type": "echo"}),
        ("POST", "/api/jobs", {"typ": "echo"}),
        ("POST", "/task", {"type": "echo"}),
        ("POST", "/api/jobs:batch", {"jobs": [{"type": "echo"}, {}]}),
        ("POST", "/api/jobs:retry", {"state": "dead", "dry_run": True}),
        ("POST", "/api/jobs:retry", {"ids": ["nobody"]}),
        ("POST", "/api/claim", {"worker": "w", "queue": "mail"}),
        ("POST", "/api/queues/{queue}/pause", {"reason": "x"}),
        ("POST", "/api/queues/{queue}/resume", None),
        ("POST", "/api/queues/{queue}/purge", None),
    ],
)
def test_answers_are_as_described(
    working: Served, described: dict[str, Any], method: str, path: str, body: Any
) -> None:
    id = working.submit("echo", 1, queue="described")
    working.client.post("/api/claim", json={"worker": "w", "queue": "described"})
    real = path.replace("{id}", id).replace("{queue}", "described")
    answer = working.client.request(method, real, json=body)
    operation = described["paths"][path][method.lower()]
    told = operation["responses"][str(answer.status_code)]
    if "$ref" in told:
        told = described["components"]["responses"][str(answer.status_code)]
    schema = {**told["content"][answer.headers["content-type"]]["schema"], "components": described["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer.json())


def test_it_is_there_while_the_backend_is_away() -> None:
    description = describe(API)
    assert "/api/handlers/{name}/jobs" in description["paths"]
    with Served(make_app("redis://127.0.0.1:1", patience=0.1)) as served:
        assert served.client.get("/openapi.json").json()["paths"].keys() == description["paths"].keys() | {
            f"/api/handlers/{name}/jobs" for name in ("echo", "fail", "report", "send_email", "stay")
        }
        assert served.client.get("/docs").status_code == 200


# -- The page


class Page(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self._in = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag
        for name, value in attrs:
            if name in ("src", "href"):
                self.loads.append(value or "")
            if name.startswith("on") or name == "style":
                self.inline.append(f"{tag} {name}")

    def handle_data(self, data: str) -> None:
        if self._in in ("script", "style") and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in = ""


def test_the_page_loads_nothing_from_elsewhere(served: Served) -> None:
    answer = served.client.get("/docs")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
    page = Page(answer.text)
    assert page.inline == []
    assert page.loads
    for url in page.loads:
        assert "//" not in url and served.client.get(f"/{url}").status_code == 200, url


def test_its_script_makes_no_markup_of_text(served: Served) -> None:
    script = served.client.get("/docs/docs.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["x-content-type-options"] == "nosniff"
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http://", "https://"):
        assert word not in script.text, word
    assert "url(" not in served.client.get("/docs/docs.css").text


# -- As exact as JSON Schema can be


@pytest.mark.parametrize("query", ["limit=", "limit=1&limit=2", "limit=1.5", "limit=501", "id=x&limit=0", "state=X"])
def test_a_query_is_held_to_what_is_described(working: Served, query: str) -> None:
    answer = working.client.get(f"/api/jobs?{query}")
    assert answer.status_code == 400 and answer.json()["type"] == "urn:nexq:problem:bad-query", answer.text


def test_no_body_is_an_empty_one_and_required_where_that_does_not_do(
    working: Served, described: dict[str, Any]
) -> None:
    for path, item in described["paths"].items():
        body = item.get("post", {}).get("requestBody")
        if body is None or "{" in path:
            continue
        none, empty = working.client.post(path), working.client.post(path, json={})
        assert none.status_code == empty.status_code, path
        if path != "/api/login":
            assert (none.status_code == 422) == body["required"], path


@pytest.mark.parametrize(("priority", "status"), [("5.0", 202), ("5", 202), ("5.5", 422), ("10.0", 422), ("1e0", 202)])
def test_an_integer_is_what_json_schema_calls_one(working: Served, priority: str, status: int) -> None:
    answer = working.client.post("/api/jobs", content=f'{{"type": "echo", "priority": {priority}}}', headers=JSON)
    assert answer.status_code == status


def test_bounds_and_choices_are_described(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    assert {"type": "integer", "minimum": 0, "maximum": 9} in schemas["JobRequest"]["properties"]["priority"]["anyOf"]
    assert schemas["ClaimRequest"]["properties"]["n"]["maximum"] == 100
    bulk = jsonschema.Draft202012Validator({**schemas["Bulk"], "components": described["components"]})
    assert [bulk.is_valid(body) for body in ({}, {"ids": None}, {"ids": []}, {"state": "dead"})] == [0, 0, 1, 1]
    job = jsonschema.Draft202012Validator({**schemas["JobRequest"], "components": described["components"]})
    both = {"type": "a", "schedule_in": 1, "run_at": "2030-01-01T00:00:00Z"}
    assert job.is_valid(both | {"run_at": None}) and not job.is_valid(both)


def test_a_token_is_optional_where_the_server_asks_for_none(described: dict[str, Any]) -> None:
    assert described["paths"]["/api/jobs"]["get"]["security"][0] == {}
    assert described["paths"]["/livez"]["get"]["security"] == []
    assert describe(API)["paths"]["/api/jobs"]["get"]["security"][0] == {"bearer": []}


def test_a_description_says_something_or_nothing(described: dict[str, Any]) -> None:
    for method, path, operation in operations(described):
        assert operation["description"][:1] not in (".", ":", ","), f"{method} {path}"
