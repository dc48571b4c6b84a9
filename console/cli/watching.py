"""The option --watch: a listing is shown again and again."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

_EVERY_S = 2.0


def watched(command: Callable[..., None]) -> Callable[..., None]:
    """Adds it; Ctrl-C ends it well."""

    @click.option("--watch", is_flag=True, help=f"Show it again every {_EVERY_S:g} s, until Ctrl-C.")
    @wraps(command)
    def again(*given: Any, watch: bool, **named: Any) -> None:
        command(*given, **named)
        try:
            while watch:
                time.sleep(_EVERY_S)
                # Only on a terminal; what is read by a program goes on below.
                click.clear()
                command(*given, **named)
        except KeyboardInterrupt:
            click.echo()

    return again
