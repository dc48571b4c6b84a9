"""HEAD, wherever GET is: its status and headers, without its body."""

from anyio import create_task_group
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """Asks the application as GET does, and keeps what it says in the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            await self._head({**scope, "method": "GET"}, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with create_task_group() as asked:

            async def tell(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await send(message)
                    return
                await send({"type": "http.response.body", "body": b""})
                if message.get("more_body", False):  # a stream, which would go on for nobody
                    asked.cancel_scope.cancel()

            await self._app(scope, receive, tell)
