"""Who calls and what they may, for the API and the pages alike."""

from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from console.problems import Problem
from shared.rules.scopes import EVERY, Scope


@dataclass(frozen=True)
class Caller:
    """Somebody who came in.

    `name` is None for whoever sits at this machine and needs no token; `csrf` is what a browser that signed in
    must send along with each change; `workspace` is the only one that the caller may see.
    """

    name: str | None = None
    token: UUID | None = None
    scopes: frozenset[Scope] = frozenset(EVERY)
    workspace: UUID | None = None
    csrf: str | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the caller has this scope."""
        return scope in self.scopes

    def need(self, scope: Scope) -> None:
        """403 where the caller has it not."""
        if scope not in self.scopes:
            detail = f"The token {self.name} has no scope {scope}. Use one that has: slotbeat token create."
            raise Problem(403, "scope_missing", detail, scope=scope)

    def sees(self, workspace: UUID | None) -> bool:
        """Whether what is in this workspace exists for the caller."""
        return self.workspace is None or self.workspace == workspace

    def acts(self, via: str) -> str:
        """Who acts, as the activity log has it; `via` is where from, in the caller's own words."""
        return via if self.name is None else f"token:{self.name} ({via})"


LOCAL = Caller()
NOBODY = Caller(scopes=frozenset())
_CALLING: ContextVar[Caller] = ContextVar("caller", default=LOCAL)


def calling() -> Caller:
    """Who makes the request that is being answered; beyond requests, whoever sits here."""
    return _CALLING.get()


def call_as(caller: Caller) -> None:
    """This request is that caller's."""
    _CALLING.set(caller)
