"""The OpenAPI description, with what FastAPI cannot be told: what refusals carry, and the headers of answers."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from console.api.answers import ProblemDetails

_SCHEMAS = "#/components/schemas/{model}"
# What a refusal carries. Given as a model, FastAPI would build it anew for each refusal of each route.
PROBLEM = {"application/problem+json": {"schema": {"$ref": _SCHEMAS.format(model=ProblemDetails.__name__)}}}

_HEADERS = {
    "ETag": "What it is now; say it in If-Match with an edit, in If-None-Match to be told of news only.",
    "Location": "Where it is.",
    "Idempotency-Replayed": "`true` where this is the answer to an earlier request with the same key.",
    "Retry-After": "Seconds after which it is worth asking again.",
}
# By the status of an answer, by what a success is, and by what the operation takes.
_OF_STATUS = {"304": ("ETag",), "409": ("Retry-After",), "429": ("Retry-After",), "503": ("Retry-After",)}
_OF_MODEL = {"Workspace": "ETag", "Schedule": "ETag", "Saved": "ETag", "Started": "Location"}
_OF_KEY = "Idempotency-Replayed"
# Refusals that only some operations know, by what they take.
_REFUSALS_OF_BODIES = {"400": "No JSON object", "413": "Too large", "415": "Not sent as JSON"}
_STALE = {"412": "It was edited since it was read"}


def describe(app: FastAPI) -> None:
    """Makes the application describe what its answers carry."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = ProblemDetails.model_json_schema(ref_template=_SCHEMAS)
            for member in schema["properties"].values():
                member.pop("default", None)
            described = plain()
            described["components"]["schemas"] |= {**schema.pop("$defs"), ProblemDetails.__name__: schema}
            for operation in _operations(described):
                takes = {it["name"] for it in operation.get("parameters", [])}
                _add_refusals(operation, takes)
                for status, answer in operation["responses"].items():
                    _add_headers(status, answer, takes)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi


def _operations(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in described["paths"].values():
        yield from methods.values()


def _add_refusals(operation: dict[str, Any], takes: set[str]) -> None:
    more = (_REFUSALS_OF_BODIES if "requestBody" in operation else {}) | (_STALE if "if-match" in takes else {})
    operation["responses"] |= {status: {"description": words, "content": PROBLEM} for status, words in more.items()}


def _add_headers(status: str, answer: dict[str, Any], takes: set[str]) -> None:
    model = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
    names = {*_OF_STATUS.get(status, ())}
    if status in ("200", "201", "202") and model in _OF_MODEL:
        names |= {_OF_MODEL[model]} | ({"Location"} if status == "201" else set())
        names |= {_OF_KEY} if "Idempotency-Key" in takes else set()
    if names:
        answer["headers"] = {it: {"description": _HEADERS[it], "schema": {"type": "string"}} for it in sorted(names)}
