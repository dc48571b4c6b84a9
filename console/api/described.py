"""The OpenAPI description, with what FastAPI cannot be told: refusals are problem details."""

from typing import Any

from fastapi import FastAPI

from console.api.answers import ProblemDetails

_SCHEMAS = "#/components/schemas/{model}"
# What a refusal carries. Given as a model, FastAPI would build it anew for each refusal of each route.
PROBLEM = {"application/problem+json": {"schema": {"$ref": _SCHEMAS.format(model=ProblemDetails.__name__)}}}


def describe(app: FastAPI) -> None:
    """Makes the application describe what its refusals carry."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = ProblemDetails.model_json_schema(ref_template=_SCHEMAS)
            plain()["components"]["schemas"] |= {**schema.pop("$defs"), ProblemDetails.__name__: schema}
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi
