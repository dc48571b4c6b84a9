"""Log lines as JSON, for whoever collects them: one line, one object, with the ids that an event is about."""

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any


class JsonLines(logging.Formatter):
    """Each record as one object: `at`, `level`, and `event` with its fields, or `logger` with its message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
        }
        name: str | None = getattr(record, "event", None)
        if name is not None:
            # A field that bears the name of one of ours does not hide it.
            told = {**getattr(record, "fields", {}), **told, "event": name}
        else:
            told |= {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def wants_json() -> bool:
    """Whether SLOTBEAT_LOG_FORMAT asks for it."""
    return os.environ.get("SLOTBEAT_LOG_FORMAT", "").strip().lower() == "json"


def shape(logger: logging.Logger | None) -> None:
    """Gives a logger's handlers this shape, if it is asked for; Celery calls it when it has set up its own."""
    if logger is not None and wants_json():
        for handler in logger.handlers:
            handler.setFormatter(JsonLines())
