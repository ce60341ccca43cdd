"""Bodies of bounded size that come in bounded time."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.api.problems import Refusal

READ_ON = 8
"""So many times the limit is read and thrown away before a connection is closed: who still sends would not hear why."""


class BoundedBodies:
    """Middleware that reads the body of a POST before anybody works on it. Raises Refusal where it is too large or takes too long to come."""

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float) -> None:
        self._app, self._max_bytes, self._seconds = app, max_bytes, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on with its whole body."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        if int(Headers(scope=scope).get("content-length", "0")) > self._max_bytes * READ_ON:
            raise self._too_large()
        try:
            body = await asyncio.wait_for(self._read(receive), self._seconds)
        except TimeoutError:
            raise Refusal(408, "too_slow", "the body did not come in time", {"Connection": "close"}) from None
        await self._app(scope, _replaying(body, receive), send)

    async def _read(self, receive: Receive) -> bytes:
        body, size = bytearray(), 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "disconnected", "the client has gone")
            part = message.get("body", b"")
            size += len(part)
            if size <= self._max_bytes:
                body += part
            is_whole = not message.get("more_body")
            if size > self._max_bytes * (1 if is_whole else READ_ON):
                raise self._too_large()
            if is_whole:
                return bytes(body)

    def _too_large(self) -> Refusal:
        return Refusal(413, "too_large", f"expected a body of {self._max_bytes // 1024} KiB at most (serving.max_body_kb)", {"Connection": "close"})


def _replaying(body: bytes, receive: Receive) -> Receive:
    """A receiver that gives a body that was read, and then what comes."""
    left = [body]

    async def replay() -> Message:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return replay
