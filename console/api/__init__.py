"""The HTTP API: `uvicorn console.api:app` serves what the environment names."""

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    app: FastAPI


@lru_cache(maxsize=1)
def _app() -> "FastAPI":
    from console.api.application import from_environment

    return from_environment()


def __getattr__(name: str) -> "FastAPI":
    # Made when it is asked for: an import must neither need servers nor take half a second.
    if name != "app":
        raise AttributeError(name)
    return _app()
