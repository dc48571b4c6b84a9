"""Which fields an address knows, by its own description: for whoever named one that is not among them."""

from typing import Any

from fastapi import Request


def fields_of(request: Request) -> dict[str, list[str]]:
    """The names it knows in a `query`, in a `body`, and `within` a value of a body."""
    described: dict[str, Any] = request.app.openapi()
    schemas: dict[str, Any] = described["components"]["schemas"]
    route = getattr(request.scope.get("route"), "path", "")
    operation = described["paths"].get(route, {}).get(request.method.lower(), {})
    form = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    body = _properties(form, schemas)
    within = {name for it in body.values() for name in _properties(it, schemas)}
    return {
        "query": [it["name"] for it in operation.get("parameters", []) if it["in"] == "query"],
        "body": list(body),
        "within": sorted(within),
    }


def _properties(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """The fields of a value, of all its alternatives."""
    if "$ref" in schema:
        return schemas[schema["$ref"].rpartition("/")[2]].get("properties", {})
    alternatives = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    return {name: it for one in alternatives for name, it in _properties(one, schemas).items()}
