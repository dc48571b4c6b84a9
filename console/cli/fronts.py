"""Thin fronts of the programs that make up the stack; what follows the name goes to them as it stands."""

import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from console.cli.failures import REFUSED, Failure

_PASSING = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def _front(words: str) -> Any:
    def make(act: Any) -> click.Command:
        command = click.argument("arguments", nargs=-1, type=click.UNPROCESSED)(click.pass_context(act))
        return click.command(context_settings=_PASSING, add_help_option=False, help=words)(command)

    return make


@_front("Run a Celery worker; options as of `celery worker`.")
def worker(context: click.Context, arguments: tuple[str, ...]) -> None:
    """A worker."""
    _become(context, "workers", *arguments)


@_front("Run a beat; options as of `celery beat`.")
def beat(context: click.Context, arguments: tuple[str, ...]) -> None:
    """A beat."""
    _become(context, "beat", *arguments)


@_front("Run Flower, on loopback and without its buttons unless told otherwise; options as of `celery flower`.")
def flower(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Flower."""
    _become(context, "celery", "-A", "workers", "flower", "--address=127.0.0.1", "--read_only", *arguments)


@_front("Run the API with the dashboard, on 127.0.0.1:8000 unless told otherwise; options as of `uvicorn`.")
def api(context: click.Context, arguments: tuple[str, ...]) -> None:
    """The API."""
    _need_token(context, arguments)
    address = ("--host", "127.0.0.1", "--port", "8000", "--timeout-graceful-shutdown", "1")
    _become(context, "uvicorn", "console.api:app", *address, *arguments)


@click.command()
@click.pass_context
def migrate(context: click.Context) -> None:
    """Bring the database up to this version."""
    _set_addresses(context)
    from psycopg import OperationalError

    from shared.settings import addresses
    from shared.store.migrate import SchemaMismatch
    from shared.store.migrate import migrate as run

    try:
        applied = run(addresses().database_url)
    except OperationalError as error:
        raise Failure(f"{error}. Start Postgres, or set DATABASE_URL to where it is.") from error
    except SchemaMismatch as error:
        raise Failure(f"{error}.") from error
    click.echo(f"{len(applied)} migrations applied" if applied else "up to date")


def _become(context: click.Context, module: str, *arguments: str) -> NoReturn:
    if {"--help", "-h"} & set(arguments):
        # Celery's programs make their app before they help; nothing is asked there.
        for name, nowhere in (("DATABASE_URL", "postgresql://"), ("REDIS_URL", "redis://")):
            os.environ[name] = os.environ.get(name) or nowhere
    else:
        _set_addresses(context)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def _set_addresses(context: click.Context) -> None:
    """Where the environment names no servers: those of the stack that runs in the folder."""
    from console.local.state import read
    from shared.settings import NoAddress, addresses

    folder = Path(context.obj["folder"])
    state = read(folder)
    if state is not None:
        os.environ.setdefault("DATABASE_URL", state.database_url)
        os.environ.setdefault("REDIS_URL", state.redis_url)
    try:
        addresses()
    except NoAddress as error:
        raise Failure(f"{error}.") from error


def _need_token(context: click.Context, arguments: tuple[str, ...]) -> None:
    """Before anybody else may come in, there is a token."""
    from console.api.bound import asked_for

    where = asked_for(arguments, os.environ)
    if where is None or os.environ.get("SLOTBEAT_ADMIN_TOKEN"):
        return
    _set_addresses(context)
    from console.api.entry import why_not
    from shared.settings import addresses
    from shared.store.frozen import WatchedDatabase

    database = WatchedDatabase(addresses().database_url)
    try:
        why = why_not(database, where)
    finally:
        database.close()
    if why is not None:
        raise Failure(why, REFUSED)
