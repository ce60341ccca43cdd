"""Asking a running service (edge), for the command line: nothing is imported that only an answer of its own would need."""

import json
import os
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import TypeAdapter, ValidationError

from conf.errors import ConfigError, UnknownIdError, VectorStoreError
from lake.config import LakeConfig
from serving.announcement import announced, settings_digest
from serving.config import ServingConfig
from serving.hits import Hit
from serving.questions import Question

TOKEN_VARIABLE = "KINDRED_SERVICE_TOKEN"
SECONDS_TO_BE_FOUND = 1.0
Found = TypeVar("Found", bound=Hit)


class Service:
    """A running service by its URL."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._seconds = urlsplit(url), seconds

    def instance(self) -> str | None:
        """Which start of a service answers there; None where none does, or it has nothing to answer from yet."""
        try:
            status, answer = self._request("GET", "/ready", None, SECONDS_TO_BE_FOUND)
            return str(answer["instance"]) if status == 200 else None
        except (OSError, HTTPException, ValueError, KeyError, TypeError):
            return None

    def ask(self, question: Question, hit: type[Found]) -> list[Found]:
        """The hits. Raises UnknownIdError, ConfigError where it does not let us in, and VectorStoreError where it does not answer."""
        try:
            status, answer = self._request("POST", question.path, question.model_dump(mode="json", exclude_unset=True), self._seconds)
            if status == 200:
                return TypeAdapter(list[hit]).validate_python(answer["hits"])  # type: ignore[valid-type]
            code, message = str(answer["code"]), str(answer["message"])
        except (OSError, HTTPException, ValueError, KeyError, TypeError, ValidationError) as error:
            raise VectorStoreError(f"the service at {self._url.geturl()} gives no answer that can be read ({type(error).__name__})") from None
        if code == "unknown_id":
            raise UnknownIdError(
                f"{message} (asked of the service at {self._url.geturl()}); expected a person_id or user_id (see 'kindred user-id'), or an item_id"
            )
        if status in (401, 403):
            raise ConfigError(f"the service at {self._url.geturl()}: {message}; set {TOKEN_VARIABLE}")
        raise VectorStoreError(f"the service at {self._url.geturl()}: {message} ({status})")

    def _request(self, method: str, path: str, body: object, seconds: float) -> tuple[int, dict]:
        connection = _connection(self._url, seconds)
        headers = {"Content-Type": "application/json"}
        if token := os.environ.get(TOKEN_VARIABLE):
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, self._url.path.rstrip("/") + path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


def running_service(lake: LakeConfig, config: ServingConfig) -> Service | None:
    """The service to ask: the configured one, or one that serves this lake by the same settings from this machine; None where there is none.

    One that a file is left of, or that wants a token which we have not, is none.
    """
    seconds = config.request_seconds * 4
    if config.service_url is not None:
        return Service(config.service_url, seconds)
    found = announced(lake)
    if found is None or found.settings != settings_digest(lake, config) or (found.wants_token and TOKEN_VARIABLE not in os.environ):
        return None
    service = Service(found.url, seconds)
    return service if service.instance() == found.instance else None


def _connection(url: SplitResult, seconds: float) -> HTTPConnection:
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    return kind(url.hostname or "", url.port, timeout=seconds)
