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
        made = plain()
        schema = ProblemDetails.model_json_schema(ref_template=_SCHEMAS)
        made["components"]["schemas"] |= {**schema.pop("$defs"), ProblemDetails.__name__: schema}
        return made

    app.openapi = openapi
