"""The OpenAPI description, with what FastAPI cannot be told: refusals are problem details."""

from typing import Any

from fastapi import FastAPI

_REFUSED = 400


def describe(app: FastAPI) -> None:
    """Makes the application describe its refusals as they are."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            for methods in plain()["paths"].values():
                for it in methods.values():
                    _rename(it["responses"])
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi


def _rename(responses: dict[str, Any]) -> None:
    for status, it in responses.items():
        refused = status == "default" or int(status) >= _REFUSED
        if refused and "ProblemDetails" in str(it.get("content")):
            it["content"] = {"application/problem+json": it["content"]["application/json"]}
