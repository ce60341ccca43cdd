"""What an app is told when a request fails: nothing of what was sent, of where things are, or of what went wrong inside."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.testclient import TestClient

from conf.errors import EncoderError, UnknownIdError, UnreadableHistoryError, VectorStoreError
from conf.logs import _JsonLines
from serving.api.app import create_app
from serving.api.gate import own_names
from serving.api.metrics import Metrics
from serving.api.problems import Busy, NotServing
from serving.config import ServingConfig

SECRET = "someone@example.org in /home/someone"


class FailingKeeper:
    """Fails as it is told to."""

    retry_seconds, is_serving = 1.2, False

    def __init__(self, error: Exception) -> None:
        self.error = error

    @contextmanager
    def served(self) -> Iterator[Any]:
        raise self.error
        yield


def answer_to(error: Exception) -> tuple[int, dict[str, Any], str | None]:
    keeper: Any = FailingKeeper(error)
    client = TestClient(create_app(keeper, ServingConfig(), Metrics(), None, own_names("localhost"), "i"), base_url="http://localhost")
    response = client.post("/v1/audience", json={"text": SECRET})
    return response.status_code, response.json(), response.headers.get("Retry-After")


@pytest.mark.parametrize(
    ("error", "status", "code", "retry"),
    [
        (UnknownIdError(SECRET), 404, "unknown_id", None), (UnreadableHistoryError(SECRET), 422, "unreadable_history", None),
        (EncoderError(SECRET), 503, "unavailable", "2"), (VectorStoreError(SECRET), 503, "unavailable", "2"), (NotServing(), 503, "unavailable", "2"),
        (Busy(SECRET), 503, "busy", "2"), (RuntimeError(SECRET), 500, "internal", None), (KeyError(SECRET), 500, "internal", None),
    ],
)  # fmt: skip
def test_each_failure_has_its_status_and_code_and_quotes_nothing(
    error: Exception, status: int, code: str, retry: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    found, problem, retry_after = answer_to(error)
    assert (found, problem["code"], retry_after) == (status, code, retry)
    logged = "\n".join(_JsonLines().format(record) for record in caplog.records if record.name.startswith("serving"))
    assert "example" not in json.dumps(problem) + logged
    assert json.loads(logged.splitlines()[-1])["problem"] == code
    assert ('"error": "RuntimeError in serving.api' in logged) == isinstance(error, RuntimeError)


def test_not_ready_is_told_as_such() -> None:
    keeper: Any = FailingKeeper(NotServing())
    client = TestClient(create_app(keeper, ServingConfig(), Metrics(), None, own_names("localhost"), "i"), base_url="http://localhost")
    assert [client.get(path).status_code for path in ("/health", "/ready")] == [200, 503]
