"""OpenAPI and AsyncAPI, made from the contracts and the protocol's own data."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from events.contracts.library import StartImport
from events.messages import AFTER
from gateway import limits
from gateway.catalogue import Catalogue, Function
from gateway.errors import CLOSINGS, ERRORS, OTHER_CLOSINGS, Problem, meaning
from gateway.exports import NDJSON, exporting
from gateway.imports import FILE_TYPES, QUERY, Taken
from gateway.protocol import CLIENT_FRAMES, SERVER_FRAMES, SUBPROTOCOL

Json = dict[str, Any]

JSON = "application/json"
VERSION = "1"
REFERENCE = "#/components/schemas/{name}"
ABOUT = (
    "A self-hosted backend for streaming and watch-together apps. Every function can be called over HTTP, as below, or "
    "over the WebSocket at /v1/ws, which /asyncapi.json describes."
)
GUEST_ERRORS = ("invalid-argument", "guests-off", "rate-limited")
READ_ERRORS = ("invalid-json", "invalid-utf8", "body-too-large", "unsupported-media-type")


def openapi(catalogue: Catalogue, guest_request: type, guest_answer: type) -> Json:
    """The HTTP door."""
    functions = list(catalogue.functions.values())
    types = [Problem, guest_request, guest_answer, Taken, *(f.type for f in functions), *_results(functions)]
    references, components = _schemas(types)
    paths: Json = {"/v1/guest": {"post": _guest(references[guest_request], references[guest_answer])}}
    starting = catalogue.function(StartImport.function)
    paths["/v1/import/{format}"] = {
        "post": _import(starting, components[_name(references[starting.type])], references[Taken])
    }
    paths["/v1/export"] = {"get": _export(exporting(catalogue))}
    for function in functions:
        call = {"post": _post(function, references)}
        if function.is_query:
            parameters = _parameters(components[_name(references[function.type])])
            call["get"] = _get(function, references, parameters)
            paths[f"/v1/watch/{function.name}"] = {"get": _stream(function, parameters)}
        paths[f"/v1/call/{function.name}"] = call
    return {
        "openapi": "3.1.0",
        "info": {"title": "Matinee", "version": VERSION, "description": ABOUT},
        "paths": paths,
        "security": [{"bearer": []}],
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "x-errors": {code: {"status": m.status, "message": m.words} for code, m in sorted(ERRORS.items())},
        "x-limits": [row._asdict() for row in limits.TABLE],
    }


def asyncapi(catalogue: Catalogue) -> Json:
    """The socket door."""
    events = [event for kind in catalogue.channels.values() for event in kind.events]
    references, components = _schemas([*CLIENT_FRAMES, *SERVER_FRAMES, *events])
    messages = {
        frame.__name__: {
            "name": _tag(frame),
            "summary": _doc(frame),
            "payload": references[frame],
        }
        for frame in (*CLIENT_FRAMES, *SERVER_FRAMES)
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Matinee", "version": VERSION, "description": _doc(Catalogue)},
        "channels": {"socket": {"address": "/v1/ws", "messages": messages}},
        "operations": {
            "receive": {
                "action": "receive",
                "channel": {"$ref": "#/channels/socket"},
                "messages": [{"$ref": f"#/channels/socket/messages/{frame.__name__}"} for frame in CLIENT_FRAMES],
            },
            "send": {
                "action": "send",
                "channel": {"$ref": "#/channels/socket"},
                "messages": [{"$ref": f"#/channels/socket/messages/{frame.__name__}"} for frame in SERVER_FRAMES],
            },
        },
        "components": {"schemas": components},
        "x-subprotocol": SUBPROTOCOL,
        "x-functions": {name: _function(f) for name, f in sorted(catalogue.functions.items())},
        "x-events": {
            kind.kind: {_tag(event): {"summary": _doc(event), "fields": list(event.public)} for event in kind.events}
            for kind in catalogue.channels.values()
        },
        "x-close-codes": [closing._asdict() for closing in (*OTHER_CLOSINGS, *CLOSINGS)],
        "x-errors": {code: {"status": m.status, "message": m.words} for code, m in sorted(ERRORS.items())},
    }


def _function(function: Function) -> Json:
    return {
        "kind": function.kind,
        "summary": _doc(function.type),
        "errors": sorted(set(function.errors)),
    }


def _schemas(types: Iterable[type]) -> tuple[dict[type, Json], Json]:
    """A reference for each type, and the components that they refer to."""
    distinct = list(dict.fromkeys(types))
    references, components = msgspec.json.schema_components(distinct, ref_template=REFERENCE)
    return dict(zip(distinct, references, strict=True)), components


def _results(functions: Iterable[Function]) -> list[type]:
    return [f.type.returns for f in functions if f.type.returns is not None]


def _post(function: Function, references: Mapping[type, Json]) -> Json:
    headers = {
        "query": [_header(AFTER, "Answer at or after this position.")],
        "command": [_header("Idempotency-Key", "The same key makes a repeated command take effect once.")],
        "report": [],
    }
    return {
        "operationId": function.name,
        "tags": [function.context],
        "summary": _doc(function.type),
        "parameters": headers[function.kind],
        "requestBody": {"required": False, "content": {JSON: {"schema": references[function.type]}}},
        "responses": {"200": _answer(function, references), **_problems((*function.errors, *READ_ERRORS))},
    }


def _get(function: Function, references: Mapping[type, Json], parameters: list[Json]) -> Json:
    return {
        "operationId": f"{function.name}.get",
        "tags": [function.context],
        "summary": _doc(function.type),
        "parameters": [*parameters, _header(AFTER, "Answer at or after this position.")],
        "responses": {
            "200": _answer(function, references),
            "304": {"description": "The value is still the one of If-None-Match."},
            **_problems(function.errors),
        },
    }


def _stream(function: Function, parameters: list[Json]) -> Json:
    return {
        "operationId": f"{function.name}.watch",
        "tags": [function.context],
        "summary": f"{_doc(function.type)} Now and after each change.",
        "parameters": [*parameters, _header(AFTER, "Begin at or after this position.")],
        "responses": {
            "200": {
                "description": "Server-sent events",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            **_problems(function.errors),
        },
    }


def _guest(request: Json, answer: Json) -> Json:
    return {
        "operationId": "guest",
        "tags": ["guests"],
        "summary": "A token for somebody who only gives a name.",
        "security": [],
        "requestBody": {"required": True, "content": {JSON: {"schema": request}}},
        "responses": {
            "200": _content("The token", JSON, answer),
            **_problems((*GUEST_ERRORS, *READ_ERRORS)),
        },
    }


def _export(parts: Sequence[Function]) -> Json:
    errors = dict.fromkeys(code for part in parts for code in part.errors if code not in ("bad-cursor", "bad-position"))
    return {
        "operationId": "export",
        "tags": ["export"],
        "summary": "Everything that is kept about me, one JSON record a line: first what the library keeps, as "
        "`POST /v1/import/matinee` takes it in, then what other services do. The last record is `end` with how many "
        "there were, or `error`: then the file is not whole.",
        "responses": {"200": _content("The records", NDJSON, {"type": "string"}), **_problems(errors)},
    }


def _import(function: Function, schema: Json, taken: Json) -> Json:
    fields = schema["properties"]
    parameters = [
        {"name": "format", "in": "path", "required": True, "schema": fields["format"]},
        *({"name": name, "in": "query", "required": False, "schema": fields[name]} for name in QUERY),
        _header("Idempotency-Key", "The same key makes a repeated upload be taken in once."),
    ]
    body = {"schema": {"type": "string", "format": "binary"}}
    return {
        "operationId": "import",
        "tags": [function.context],
        "summary": _doc(function.type),
        "parameters": parameters,
        "requestBody": {"required": True, "content": dict.fromkeys(FILE_TYPES, body)},
        "responses": {
            "202": _content("It is read in the background; `library.import_report` tells how far it is", JSON, taken),
            **_problems((*function.errors, "body-too-large", "unsupported-file-type", "uploads-full", "bad-request")),
        },
    }


def _answer(function: Function, references: Mapping[type, Json]) -> Json:
    returns = function.type.returns
    value: Json = {"type": "null"} if returns is None else references[returns]
    is_report = function.kind == "report"
    schema = {
        "type": "object",
        "properties": {"value": value, "position": {"type": "null" if is_report else "string"}},
        "required": ["value", "position"],
    }
    return {
        "description": "Nothing" if is_report else "The value and the position that it is true at",
        "content": {JSON: {"schema": schema}},
    }


def _problems(codes: Iterable[str]) -> Json:
    """One response per status, naming the slugs that come with it."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(meaning(code).status, []).append(code)
    return {
        str(status): _content(
            " · ".join(f"`{code}`: {meaning(code).words}" for code in found),
            "application/problem+json",
            {"$ref": REFERENCE.format(name="Problem")},
        )
        for status, found in sorted(by_status.items())
    }


def _content(what: str, media_type: str, schema: Json) -> Json:
    return {"description": what, "content": {media_type: {"schema": schema}}}


def _parameters(schema: Json) -> list[Json]:
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": field}
        for name, field in schema["properties"].items()
    ]


def _header(name: str, what: str) -> Json:
    return {"name": name, "in": "header", "required": False, "description": what, "schema": {"type": "string"}}


def _name(reference: Json) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _tag(frame: type[msgspec.Struct]) -> str:
    return str(frame.__struct_config__.tag)


def _doc(kind: type) -> str:
    return inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
