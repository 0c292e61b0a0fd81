"""The API's description (OpenAPI 3.1), written from the rules, the models and the handlers' own schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from nexq.web.models import ProblemBody
from nexq.web.params import PATH
from nexq.web.principal import Scope
from nexq.web.problems import TITLES
from nexq.web.sessions import COOKIE
from nexq.web.table import Rule

Json = dict[str, Any]
_REF = "#/components/schemas/"
_WORD: Json = {"type": "string", "minLength": 1}
_TAGS = {
    "jobs": "Submit jobs, see them, move them.",
    "dead letters": "Jobs that are out of attempts.",
    "queues": "What waits where; pause, resume, purge.",
    "workers": "Workers, and the protocol for workers in any language.",
    "events": "Moves of jobs as they happen, as server-sent events.",
    "webhooks": "Whom to tell how jobs end; the keys that sign, the deliveries.",
    "health": "Whether it lives, whether it is ready.",
    "server": "The server itself: its figures, its description.",
    "access": "Tokens, sessions, and the record of who changed what.",
    "handlers": "What is known of the handlers; each has a path of its own that takes its payload.",
}
_ABOUT = (
    "Errors are problem documents (RFC 9457) with stable `type` URIs. Times are Unix milliseconds (`…_ms`), durations "
    "seconds. `/api/tasks` is `/api/jobs` by an older name. A server on a loopback address asks for no token as long "
    "as none has been made."
)
_PROBLEMS = {
    400: "The request cannot be read.",
    401: "A token is missing, wrong or expired.",
    403: "The token does not allow it.",
    404: "It is not there.",
    409: "The state that it is in does not allow it.",
    413: "The body is over the limit.",
    415: "The body does not say that it is JSON.",
    422: "The content does not fit; `errors` says where.",
    429: "Too many requests.",
    503: "The server that keeps the jobs is away.",
}
_WAIT: Json = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=10` waits up to 10 seconds (60 at most) for the job's end (RFC 7240).",
    "schema": {"type": "string"},
    "example": "wait=10",
}
_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Names this call: a repeat with the same key and body gives the same job, as long as the job is "
    "kept and a minute longer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}
_RETRY_AFTER: Json = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
#: Endpoint -> the headers that it reads, and those of its answers.
_READS = {"create_job": [_KEY, _WAIT], "create_for_handler": [_KEY, _WAIT], "get_job": [_WAIT]}
_LOCATION: Json = {"Location": {"description": "Where the job is.", "schema": {"type": "string"}}}
_LINK: Json = {"Link": {"description": 'The following page: `<…>; rel="next"`.', "schema": {"type": "string"}}}
_GIVES = {"create_job": _LOCATION, "create_for_handler": _LOCATION, "list_jobs": _LINK, "list_dead": _LINK}


def describe(
    rules: Sequence[Rule],
    handlers: Iterable[Mapping[str, Any]] = (),
    root_path: str = "",
    *,
    for_anyone: bool = False,
) -> Json:
    """The description of an API of these rules, with a path of its own for each handler.

    for_anyone  no caller needs to say who it is
    """
    refs, schemas = _schemas(rules)
    paths: dict[str, Json] = {}
    names: set[str] = set()
    described = [rule for rule in rules if rule.answers]
    for rule in described:
        operation = _operation(rule, refs, schemas)
        operation["operationId"] = _unused(rule.endpoint.__name__, rule, names)
        paths.setdefault(_path(rule), {})[rule.method.lower()] = operation
    by_name = next((rule for rule in described if rule.endpoint.__name__ == "create_for_handler"), None)
    if by_name is not None:
        for handler in handlers:
            path = f"/api/handlers/{quote(str(handler['name']), safe=':@!$&()*+,;=~')}/jobs"
            paths[path] = {"post": _handlers_operation(by_name, handler, refs, schemas)}
    if for_anyone:
        for operation in (operation for methods in paths.values() for operation in methods.values()):
            operation["security"] = [{}, *operation["security"]] if operation["security"] else []
    tags = dict.fromkeys(rule.tag for rule in described)
    return {
        "openapi": "3.1.0",
        "info": {"title": "nexq", "version": _version(), "description": _ABOUT},
        "servers": [{"url": root_path or "/"}],
        "tags": [{"name": tag, "description": _TAGS.get(tag, "")} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {str(status): _problem(status) for status in _PROBLEMS},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "`nexq token create` makes a token."},
                "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "A browser's session."},
            },
        },
    }


def _schemas(rules: Sequence[Rule]) -> tuple[dict[type[BaseModel], Json], Json]:
    """Model -> a reference to its schema, and all schemas by name."""
    models: dict[type[BaseModel], None] = {ProblemBody: None}
    for rule in rules:
        models |= dict.fromkeys(model for _, model in rule.answers.values() if model is not None)
        if rule.body is not None:
            models[rule.body] = None
    refs, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF + "{model}")
    return {model: refs[model, "validation"] for model in models}, definitions["$defs"]


def _operation(rule: Rule, refs: Mapping[type[BaseModel], Json], schemas: Json) -> Json:
    name = rule.endpoint.__name__
    mutates = rule.method != "GET"
    operation: Json = {"tags": [rule.tag], "summary": rule.summary, "description": _text(rule)}
    parameters = [
        {"name": parameter, "in": "path", "required": True, "schema": PATH.get(parameter, _WORD)}
        for parameter in re.findall(r"{(\w+)}", _path(rule))
    ]
    for parameter, schema in rule.query.items():
        description = {"description": schema["description"]} if "description" in schema else {}
        plain = {key: value for key, value in schema.items() if key != "description"}
        parameters.append({"name": parameter, "in": "query", **description, "schema": plain})
    parameters += _READS.get(name, [])
    if parameters:
        operation["parameters"] = parameters
    if rule.body is not None:
        schema = schemas[refs[rule.body]["$ref"].removeprefix(_REF)]
        required = "required" in schema or "anyOf" in schema
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": refs[rule.body]}}}
    elif name == "create_for_handler":
        operation["requestBody"] = {"required": False, "content": {"application/json": {"schema": {}}}}
    responses: Json = {}
    for status, (meaning, model) in rule.answers.items():
        responses[str(status)] = {"description": meaning}
        if model is not None:
            responses[str(status)]["content"] = {"application/json": {"schema": refs[model]}}
        if name in _GIVES:
            responses[str(status)]["headers"] = _GIVES[name]
    for status in _errors(rule, mutates):
        problem = {"$ref": f"#/components/responses/{status}"}
        if str(status) in responses:
            both = responses[str(status)]
            both["content"] = {**both.get("content", {}), **_problem(status)["content"]}
        else:
            responses[str(status)] = problem
    operation["responses"] = dict(sorted(responses.items()))
    operation["security"] = [] if rule.scope is Scope.PUBLIC else [{"bearer": []}, {"cookie": []}]
    return operation


def _handlers_operation(by_name: Rule, handler: Mapping[str, Any], refs: Any, schemas: Json) -> Json:
    """The path of one handler: its payload is the body."""
    name = str(handler["name"])
    component = "handler." + re.sub(r"[^A-Za-z0-9._-]", "_", name)
    while component in schemas:
        component += "_"
    schema = dict(handler.get("schema") or {})
    for inner, definition in schema.pop("$defs", {}).items():
        schemas[f"{component}.{inner}"] = _moved(definition, component)
    schemas[component] = _moved(schema, component)
    operation = _operation(by_name, refs, schemas)
    operation["operationId"] = "create:" + component.removeprefix("handler.")
    operation["summary"] = f"Submit a job of {name}"
    operation["description"] = str(handler.get("doc") or "") or operation["description"]
    operation["parameters"] = [p for p in operation["parameters"] if p["in"] != "path"]
    operation["requestBody"] = {
        "required": bool(schema.get("required")),
        "content": {"application/json": {"schema": _payload(component, schemas[component])}},
    }
    return operation


def _payload(component: str, schema: Json) -> Json:
    """An object with the handler's parameters; where one is enough, also anything else as the first one."""
    reference = {"$ref": _REF + component}
    first = next(iter(schema.get("properties", {})), None)
    if first is None or not set(schema.get("required", ())) <= {first}:
        return reference
    return {"anyOf": [reference, {"allOf": [schema["properties"][first], {"not": {"type": "object"}}]}]}


def _moved(schema: Any, component: str) -> Any:
    """A schema whose references to its own definitions lead to the components."""
    if isinstance(schema, dict):
        moved = {key: _moved(value, component) for key, value in schema.items()}
        reference = moved.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/$defs/"):
            moved["$ref"] = f"{_REF}{component}.{reference.removeprefix('#/$defs/')}"
        return moved
    return [_moved(item, component) for item in schema] if isinstance(schema, list) else schema


def _errors(rule: Rule, mutates: bool) -> list[int]:
    found = {400, 422} if rule.query or rule.body or "{" in rule.path else set()
    if rule.scope is not Scope.PUBLIC:
        found |= {401, 403, 429}
    if "{" in rule.path:
        found |= {404}
    if mutates:
        found |= {400, 403, 409, 413, 415, 422}
    if not rule.bare:
        found |= {503}
    return sorted(found)


def _problem(status: int) -> Json:
    problem: Json = {
        "description": f"{TITLES.get(status, 'Error')}: {_PROBLEMS[status]}",
        "content": {"application/problem+json": {"schema": {"$ref": _REF + "ProblemBody"}}},
    }
    if status in (429, 503):
        problem["headers"] = _RETRY_AFTER
    return problem


def _text(rule: Rule) -> str:
    doc = (rule.endpoint.__doc__ or "").strip()
    said = re.sub(r"^(`[^`]+`(, )?)+[:.]?\s*", "", " ".join(doc.split()))
    scope = "" if rule.scope is Scope.PUBLIC else f"Scope: `{rule.scope.value}`."
    return " ".join(part for part in (said[:1].upper() + said[1:], scope) if part)


def _path(rule: Rule) -> str:
    return re.sub(r":(path|int|str)}", "}", rule.path)


def _unused(name: str, rule: Rule, names: set[str]) -> str:
    if name in names:
        name = re.sub(r"\W+", "_", f"{rule.method.lower()}_{_path(rule)}").strip("_")
    names.add(name)
    return name


def _version() -> str:
    try:
        return version("nexq")
    except PackageNotFoundError:
        return "0"
