"""Who is let in, told by the headers alone, before anything of a body is read. All routes are shut that are not said to be open."""

import ipaddress
import math
from collections.abc import Collection, Mapping, Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.api.problems import Refusal
from serving.api.rates import Rates
from serving.api.tokens import Tokens
from serving.questions import Scope as TokenScope

OPEN_PATHS = frozenset({"/health", "/ready", "/openapi.json"})


class Gate:
    """Middleware: without tokens, requests to this machine's own names alone; with them, those whose token has the scopes of the route. A client may ask so often.

    `scopes` are those of each path, and anybody may have the open ones. Of a request that is let in, `state.client` is the token's name, or '-'.
    """

    def __init__(
        self, app: ASGIApp, scopes: Mapping[str, Sequence[TokenScope]], open_paths: Collection[str], tokens: Tokens | None, own_names: frozenset[str], rates: Rates
    ) -> None:  # fmt: skip
        self._open_paths = frozenset(open_paths)
        self._app, self._scopes, self._tokens, self._own_names, self._rates = app, scopes, tokens, own_names, rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or raise Refusal."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if self._tokens is None and _name_of_host(headers.get("host", "")) not in self._own_names:
                raise Refusal(403, "wrong_host", "this service answers to its own names alone")
            if scope["path"] not in self._open_paths:
                scopes = self._scopes.get(scope["path"])
                client = "-" if self._tokens is None else _admitted(self._tokens, headers.get("authorization", ""), scopes or ())
                if scopes is None:  # not left to the router, to which '/metrics' with a line break behind it is '/metrics'
                    raise Refusal(404, "no_such_route", "there is no such route; /openapi.json lists all")
                scope["state"]["client"] = client
                self._count(client if self._tokens is not None else str((scope.get("client") or ("-",))[0]))
        await self._app(scope, receive, send)

    def _count(self, client: str) -> None:
        seconds = self._rates.seconds_to_wait(client)
        if seconds:
            raise Refusal(429, "too_many_requests", "this client asks too often (serving.requests_per_minute)", {"Retry-After": str(math.ceil(seconds))})


def _admitted(tokens: Tokens, authorization: str, scopes: Sequence[TokenScope]) -> str:
    """The name of the token. Raises Refusal."""
    kind, _, presented = authorization.partition(" ")
    token = tokens.find(presented.strip()) if kind.lower() == "bearer" else None
    if token is None:
        raise Refusal(401, "unauthorized", "expected a token that is let in: 'Authorization: Bearer TOKEN'", {"WWW-Authenticate": "Bearer"})
    if missing := sorted(set(scopes) - token.scopes):
        raise Refusal(403, "forbidden", f"this token lacks {' and '.join(missing)}")
    return token.name


def own_names(host: str) -> frozenset[str]:
    """How a service is called that listens on an address of this machine: no page of another name may have a browser ask it."""
    return frozenset({"localhost", "127.0.0.1", "::1", host.lower()})


def is_loopback(host: str) -> bool:
    """Whether other machines cannot reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _name_of_host(header: str) -> str:
    """'[::1]:80' -> '::1'."""
    return header[1:].partition("]")[0] if header.startswith("[") else header.partition(":")[0].lower()
