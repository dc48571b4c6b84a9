"""What went wrong, as one line that names the remedy, and as an exit code."""

from typing import Any

import click

from shared.rules.eta import Guess, in_words
from shared.rules.text import one_line

FAILED, USAGE, NOT_FOUND, REFUSED = 1, 2, 3, 4
_CODES = {
    **dict.fromkeys((400, 413, 415, 422), USAGE),
    404: NOT_FOUND,
    **dict.fromkeys((401, 403, 409, 412, 429), REFUSED),
}
_REMEDIES = {
    "capacity_full": "Wait in line with --queue, or go past the caps with --force.",
    "token_needed": "Ask an admin for one: slotbeat token create NAME.",
    "stale_revision": "Show it again, then repeat your edit.",
}


class Failure(click.ClickException):
    """An error for people: one line, and how this command exits; `codes` are what the API calls what is wrong."""

    def __init__(self, message: str, exit_code: int = FAILED, codes: frozenset[str] = frozenset()) -> None:
        super().__init__(one_line(message))
        self.codes = codes
        self.exit_code = exit_code  # pyright: ignore[reportAttributeAccessIssue]

    def show(self, file: Any = None) -> None:  # noqa: ARG002 click's own signature
        """Prints the line to standard error."""
        click.echo(f"slotbeat: {self.format_message()}", err=True)


def of_answer(status: int, problem: Any) -> Failure:
    """The failure that an answer of the API means."""
    told = problem if isinstance(problem, dict) else {}
    detail = str(told.get("detail") or f"the server answered {status}, and not as an API does: check SLOTBEAT_URL")
    if told.get("error") == "capacity_full":
        eta = Guess(float(told.get("slot_eta_s", 0)), bool(told.get("slot_eta_measured", True)))
        detail = f"The limit {told.get('limit')} is full; {in_words(eta)}."
    remedy = _REMEDIES.get(str(told.get("error")), "")
    codes = frozenset(str(it.get("code")) for it in told.get("errors", ()))
    return Failure(f"{detail} {remedy}".strip(), _CODES.get(status, FAILED), codes)
