"""The header Idempotency-Key: a request that names itself, so that it may be sent again."""

import json
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Header, Request, Response

from console.api.allowed import Asking
from shared.store.idempotency import Repeat

_DESCRIPTION = (
    "Drawn by you for one thing that you want done. The same request with it again, within a day,"
    " is answered with what the first one made."
)

Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=200, pattern=r"^[!-~]+$", description=_DESCRIPTION),
]


async def _repeat(request: Request, caller: Asking, key: Key = None) -> Repeat | None:
    if key is None:
        return None
    body = await request.body()
    asked = [
        request.method,
        request.url.path,
        sorted(request.query_params.multi_items()),
        json.loads(body) if body else None,
    ]
    told = json.dumps(asked, sort_keys=True).encode()
    return Repeat(str(caller.token or "here"), key, sha256(told).digest())


Repeated = Annotated[Repeat | None, Depends(_repeat)]


def tell(response: Response, *, again: bool) -> None:
    """Says of an answer that it is that of an earlier request."""
    if again:
        response.headers["Idempotency-Replayed"] = "true"
