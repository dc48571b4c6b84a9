"""Who is told of what: Apprise addresses with the workspaces and schedules that they are for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import unquote


@dataclass(frozen=True)
class Route:
    """An address, and whose alerts go there: everybody's, a workspace's, or a schedule's of a workspace."""

    address: str = field(repr=False)
    workspace: str | None = None
    schedule: str | None = None

    @property
    def fingerprint(self) -> str:
        """What the address is known by where it may be read: nobody can tell the address from it."""
        return sha256(self.address.encode()).hexdigest()[:12]

    def takes(self, workspace: str | None, schedule: str | None) -> bool:
        """Whether an alert about these goes there."""
        return self.workspace in (None, workspace) and self.schedule in (None, schedule)


def routes(text: str) -> list[Route]:
    """The addresses of a text, which are separated by spaces.

    A word `@billing` says that the addresses after it are for the workspace billing, `@billing/nightly` that they
    are for one schedule of it, `@*` that they are for everybody again. Spaces in names are written as %20.
    """
    found: list[Route] = []
    workspace: str | None = None
    schedule: str | None = None
    for word in text.split():
        if word.startswith("@"):
            place, _, name = word[1:].partition("/")
            workspace = None if place == "*" else unquote(place)
            schedule = unquote(name) or None
        else:
            found.append(Route(word, workspace, schedule))
    return found


def wanted(every: Sequence[Route], workspace: str | None, schedule: str | None) -> list[Route]:
    """Where an alert goes, each address once."""
    return list({it.address: it for it in every if it.takes(workspace, schedule)}.values())


def pause_after_s(tries: int) -> float:
    """How long to wait after so many tries that failed: ten seconds, doubling up to an hour."""
    return min(3600.0, 10.0 * 2 ** min(tries - 1, 20))
