"""The page at /api/docs: every address on one page, drawn here, with nothing loaded from elsewhere."""

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from console.api.allowed import needs

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Slotbeat API</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color-scheme:light dark}}code{{font-size:.95em}}td{{padding:.15rem 1rem .15rem 0;vertical-align:top}}</style>
<h1>Slotbeat API</h1>
<p>The whole description is <a href="/api/openapi.json">/api/openapi.json</a> (OpenAPI 3.1): open it in any viewer.
Errors are problem details (RFC 9457) with a stable <code>error</code>. Bodies are JSON.</p>
{tables}</html>"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


@router.get("/api/docs", openapi_extra=needs(one_workspace=True))
def docs(request: Request) -> HTMLResponse:
    """The page."""
    described: dict[str, Any] = request.app.openapi()
    sections: dict[str, list[str]] = {}
    for path, methods in described["paths"].items():
        for method, it in methods.items():
            told = (f"{method.upper()} {path}", it.get("description", ""))
            row = f"<tr><td><code>{escape(told[0])}</code><td>{escape(told[1])}"
            sections.setdefault(it["tags"][0], []).append(row)
    tables = "".join(f"<h2>{escape(name)}</h2><table>{''.join(rows)}</table>" for name, rows in sections.items())
    headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
    return HTMLResponse(_PAGE.format(tables=tables), headers=headers)
