"""What Prometheus reads: text, as old as a few seconds at most."""

import threading
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from prometheus_client.exposition import choose_encoder

from console.api.state import Slots, Talk
from console.metrics.gather import Gathered, PostgresAway, registry
from shared.clock import monotonic

router = APIRouter(tags=["health"])

PATH = "/metrics"
_TEXT = {"content": {it: {"schema": {"type": "string"}} for it in ("text/plain", "application/openmetrics-text")}}
# However many ask, the rows are looked at so often.
GOOD_FOR_S = 2.0


class Kept:
    """The last answer by its format; whoever comes while it is made waits for it."""

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._known: dict[str, tuple[float, bytes]] = {}

    def told(self, accept: str, gathered: Gathered) -> tuple[bytes, str]:
        """The text and its type."""
        encode, content_type = choose_encoder(accept)
        with self._making:
            at, text = self._known.get(content_type, (float("-inf"), b""))
            if monotonic() - at > GOOD_FOR_S:
                text = encode(registry(gathered))
                self._known[content_type] = (monotonic(), text)
        return text, content_type


def while_nobody_is_known(accept: str) -> Response:
    """What Prometheus is told while Postgres, which knows its token, is away."""
    encode, content_type = choose_encoder(accept)
    return Response(encode(registry(PostgresAway())), headers={"Content-Type": content_type})


@router.get(PATH, response_class=Response, responses={200: _TEXT})
def get_metrics(request: Request, slots: Slots, talk: Talk, accept: Annotated[str, Header()] = "") -> Response:
    """Prometheus's text, or OpenMetrics for who asks for it; 200 also while a server is away, which it says."""
    text, content_type = request.app.state.metrics.told(accept, Gathered(slots, talk))
    return Response(text, headers={"Content-Type": content_type})
