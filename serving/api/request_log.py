"""The outermost of all: each request gets an id, a line in the log and its place in the figures, and whatever goes wrong becomes a problem.

The line says nothing of whom or what was asked: no body, no query string, no address; of our own mistakes the kind and the place in our code.
"""

import logging
import re
import time
import uuid
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lake.job_runs import in_public
from serving.api.metrics import Metrics
from serving.api.problems import REQUEST_ID, Refusal, refusal_of

CODE = "problem"
"""Key of a request's state: the code of the problem that it was answered with."""
PROBES = frozenset({"/health", "/ready"})
"""Asked every few seconds by whoever runs the service; a line of the log is worth writing where the answer is not that all is well."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
logger = logging.getLogger(__name__)


class RequestLog:
    """Middleware that logs, counts, and turns exceptions that no other has answered into problems."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Collection[str], retry_seconds: float) -> None:
        self._app, self._metrics, self._routes, self._retry_seconds = app, metrics, frozenset(routes), retry_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state, began, status = scope.setdefault("state", {}), time.monotonic(), 0
        state["request_id"] = _request_id(Headers(scope=scope).get(REQUEST_ID.lower(), ""))

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = state["request_id"]
            await send(message)

        self._metrics.in_flight.inc()
        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            refusal = self._refusal(error, state)
            state[CODE] = refusal.code
            if not status:
                await refusal.response(state["request_id"])(scope, receive, send_with_id)
        finally:
            self._metrics.in_flight.dec()
            self._note(scope, state, status, time.monotonic() - began)

    def _refusal(self, error: Exception, state: dict[str, str]) -> Refusal:
        refusal = refusal_of(error, self._retry_seconds)
        if refusal is None:
            logger.error("a request failed", extra={"facts": {"request_id": state["request_id"], "error": in_public(error)}})
            return Refusal(500, "internal", "the service made a mistake; its log has more under this request_id")
        return refusal

    def _note(self, scope: Scope, state: dict[str, str], status: int, seconds: float) -> None:
        route = scope["path"] if scope["path"] in self._routes else "other"
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        facts = {"request_id": state["request_id"], "client": state.get("client", "-"), "route": route, "status": status, "ms": round(seconds * 1000, 1)}
        level = logging.DEBUG if scope["path"] in PROBES and status == 200 else logging.INFO
        logger.log(level, "request", extra={"facts": facts | ({"problem": state[CODE]} if CODE in state else {})})


def _request_id(given: str) -> str:
    """What the client calls the request, where that is short and harmless; else a new id."""
    return given if _ID.fullmatch(given) else uuid.uuid4().hex
