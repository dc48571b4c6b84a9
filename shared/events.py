"""What is worth logging, by name, with fields: one event is one line."""

import json
import logging
from typing import Any

from shared.reporting import report

_LOGGER = logging.getLogger("slotbeat")


def event(name: str, /, *, level: int = logging.INFO, **fields: Any) -> None:
    """Logs that something became true.

    Values are written as JSON, so that a newline or an escape in a name cannot forge a line.
    """
    if _LOGGER.isEnabledFor(level):
        told = " ".join(f"{key}={json.dumps(value, default=str)}" for key, value in fields.items())
        _LOGGER.log(level, "%s %s", name, told, extra={"event": name, "fields": fields})


def trouble(name: str, error: BaseException, /, **fields: Any) -> None:
    """Logs a contained error with its type and text; the traceback goes to the debug level."""
    event(name, level=logging.ERROR, error=f"{type(error).__name__}: {error}", **fields)
    _LOGGER.debug("%s", name, exc_info=error)
    report(name, error, fields)
