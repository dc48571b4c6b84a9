"""What is refused, and why: one shape for every answer that is not a success."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.rules.refused import RefusedValueError


@dataclass(frozen=True)
class Wrong:
    """One value that cannot be: the field, a stable code, a sentence that names the remedy."""

    field: str
    code: str
    message: str


class Problem(Exception):
    """An answer that is not a success: HTTP status, a stable `error` code, a sentence that names the remedy."""

    def __init__(
        self,
        status: int,
        error: str,
        detail: str,
        *,
        wrong: Sequence[Wrong] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.error = error
        self.detail = detail
        self.wrong = list(wrong)
        self.headers = dict(headers or {})
        self.more = more


def invalid(*wrong: Wrong) -> Problem:
    """422: values that cannot be."""
    told = " ".join(it.message for it in wrong[:3])
    return Problem(422, "invalid", told, wrong=wrong)


def refused(error: RefusedValueError) -> Problem:
    """422: a value that a rule refused."""
    return invalid(Wrong(error.field, error.code, error.message))


def not_found(what: str, known: object) -> Problem:
    """404: no such thing."""
    return Problem(404, "not_found", f"There is no {what} {known}. List what there is, and take an id from there.")


def gate_unavailable() -> Problem:
    """503: Redis does not answer."""
    detail = "Redis does not answer, so no slot can be given. Nothing was started. Try again in some seconds."
    return Problem(503, "gate_unavailable", detail, headers={"Retry-After": "5"})
