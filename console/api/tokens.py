"""API tokens over HTTP: an admin makes and revokes them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from console.api.allowed import needs
from console.api.fields import Body, Instant, Name
from console.api.paging import Listing, id_after, listing
from console.api.state import Actor, Page, Rows
from console.deeds import api_tokens as deeds
from shared.rules.scopes import Scope
from shared.store import api_tokens as store
from shared.store.api_tokens import ApiToken

router = APIRouter(prefix="/api/tokens", tags=["tokens"])

_ADMIN = needs(Scope.ADMIN)


class TokenForm(Body):
    """A new token. Each scope takes in those before it; with a workspace, nothing else exists for it."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    workspace_id: UUID | None = None
    expires_at: Instant | None = None


class MadeToken(BaseModel):
    """A token with its text, which is told this once."""

    token: str
    api_token: ApiToken


@router.get("", openapi_extra=_ADMIN)
def list_tokens(rows: Rows, page: Page) -> Listing[ApiToken]:
    """Tokens in the order they were made, revoked ones too."""
    found = store.page(rows.connection(), id_after(page.cursor), page.limit + 1)
    return listing(found, page.limit, lambda it: str(it.id))


@router.post("", status_code=201, openapi_extra=_ADMIN)
def create_token(rows: Rows, actor: Actor, form: TokenForm, response: Response) -> MadeToken:
    """Makes a token. Only its hash is kept: what is answered here cannot be had again."""
    wish = deeds.Wish(form.name, frozenset(form.scopes), form.workspace_id, form.expires_at)
    made, text = deeds.create(rows, wish, actor)
    response.headers["Cache-Control"] = "no-store"
    return MadeToken(token=text, api_token=made)


@router.delete("/{token_id}", status_code=204, openapi_extra=_ADMIN)
def revoke_token(rows: Rows, actor: Actor, token_id: UUID) -> None:
    """Ends a token and the sign-ins with it, at once; also when it has ended."""
    deeds.revoke(rows, token_id, actor)
