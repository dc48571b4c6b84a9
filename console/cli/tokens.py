"""`slotbeat token`: API tokens are made, listed and revoked."""

import click

from console.cli import completing, found, show
from console.cli.failures import NOT_FOUND, USAGE, Failure
from console.cli.server import Server, server
from console.cli.show import json_option

_SCOPES = ["read", "operate", "force", "admin"]
_COLUMNS: list[show.Column] = [
    ("name", lambda it: it["name"]),
    ("begins", lambda it: it["prefix"]),
    ("scopes", lambda it: ", ".join(it["scopes"])),
    ("workspace", lambda it: it["workspace"] or "all"),
    ("used", lambda it: show.ago(it["last_used_at"])),
    ("expires", lambda it: show.ago(it["expires_at"])),
    ("revoked", lambda it: show.ago(it["revoked_at"])),
    ("id", lambda it: it["id"]),
]


@click.group()
def token() -> None:
    """Manage API tokens: who comes in from other machines, and signs in to the dashboard."""


@token.command("create")
@click.argument("name")
@click.option("--scope", "-s", "scopes", multiple=True, type=click.Choice(_SCOPES), help="Takes in those before it.")
@click.option(
    "--workspace", "-w", shell_complete=completing.workspaces, help="Nothing but this workspace exists for it."
)
@click.option("--expires-at", metavar="TIME", help="For example 2026-03-29T02:30:00+02:00.")
@json_option
@click.pass_context
def create_token(
    context: click.Context,
    name: str,
    scopes: tuple[str, ...],
    workspace: str | None,
    expires_at: str | None,
    as_json: bool,
) -> None:
    """Make a token and print it, this once. Without --scope it may read."""
    api = server(context)
    place = None if workspace is None else found.workspace(api, workspace)["id"]
    body = {"name": name, "scopes": list(scopes) or ["read"], "workspace_id": place, "expires_at": expires_at}
    told = api.ask("POST", "/api/tokens", body)
    if as_json:
        show.as_json(told)
        return
    click.echo(told["token"])
    click.echo("It is shown this once. Use it: SLOTBEAT_TOKEN, Authorization: Bearer, or /sign-in.", err=True)


@token.command("list")
@click.option("--all", "everyone", is_flag=True, help="Revoked ones too.")
@json_option
@click.pass_context
def list_tokens(context: click.Context, everyone: bool, as_json: bool) -> None:
    """List tokens; their text is nowhere."""
    rows = [it for it in server(context).every("/api/tokens") if everyone or it["revoked_at"] is None]
    show.listing(
        rows, _COLUMNS, "There are no tokens. Make one with `slotbeat token create NAME`.", json_wanted=as_json
    )


@token.command("revoke")
@click.argument("called", metavar="TOKEN")
@click.pass_context
def revoke_token(context: click.Context, called: str) -> None:
    """Revoke a token. By its name, its id, or how it begins; sign-ins with it end too."""
    api = server(context)
    known = _known(api, called)
    api.ask("DELETE", f"/api/tokens/{known['id']}")
    click.echo(show.cell(f"{known['name']} ({known['prefix']}…) is revoked", 0))


def _known(api: Server, called: str) -> dict[str, str]:
    rows = api.every("/api/tokens")
    by_id = [it for it in rows if called in (it["id"], it["prefix"])]
    good = by_id or [it for it in rows if it["name"] == called and it["revoked_at"] is None]
    if not good:
        raise Failure(f"There is no token {called}. See `slotbeat token list`.", NOT_FOUND)
    if len(good) > 1:
        raise Failure(f"{len(good)} tokens are called {called}: take an id from `slotbeat token list`.", USAGE)
    return good[0]
