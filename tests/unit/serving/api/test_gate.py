"""Who is let in, how often, and with how large a body."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.errors import ConfigError
from serving.api.bodies import READ_ON, BoundedBodies
from serving.api.gate import is_loopback, own_names
from serving.api.problems import Refusal
from serving.api.rates import CLIENTS_KNOWN, Rates
from serving.api.tokens import Tokens, read_tokens
from serving.config import ServingConfig
from serving.jobs.serve import configured_tokens


class Clock:
    """A time that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def token(name: str, **changed: Any) -> dict[str, Any]:
    return {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": ["people"], **changed}


def written(path: Path, rows: Any) -> Path:
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return path


def test_a_client_may_ask_a_tenth_of_a_minutes_requests_at_once_and_then_as_fast_as_they_come() -> None:
    clock = Clock()
    rates = Rates(60, clock)
    assert [rates.seconds_to_wait("a") for _ in range(6)] == [0] * 6
    assert rates.seconds_to_wait("a") == pytest.approx(1)
    assert rates.seconds_to_wait("b") == 0, "another client"
    clock.now = 0.5
    assert rates.seconds_to_wait("a") == pytest.approx(0.5)
    clock.now = 1.01
    assert [rates.seconds_to_wait("a") > 0 for _ in range(2)] == [False, True]
    clock.now = 1e6
    assert [rates.seconds_to_wait("a") > 0 for _ in range(7)] == [False] * 6 + [True]


def test_a_rate_of_less_than_one_a_minute_lets_one_in_at_a_time() -> None:
    rates = Rates(0.5, Clock())
    assert [rates.seconds_to_wait("a") for _ in range(2)] == [0, pytest.approx(120)]


def test_clients_that_asked_long_ago_are_forgotten() -> None:
    rates = Rates(60, Clock())
    for number in range(CLIENTS_KNOWN + 5):
        rates.seconds_to_wait(str(number))
    assert len(rates._buckets) == CLIENTS_KNOWN
    assert "4" not in rates._buckets


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True), ("LOCALHOST", True)]
    + [(host, False) for host in ("0.0.0.0", "::", "192.168.0.1", "example.org", "127.0.0.1.example.org", "", "localhost.", "::ffff:10.0.0.1")])  # fmt: skip
def test_what_other_machines_reach_needs_tokens(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback
    if not loopback and host:
        with pytest.raises(ConfigError, match=r"serving\.host: other machines reach .*; set serving\.tokens_file"):
            configured_tokens(ServingConfig(host=host))
    elif host:
        assert configured_tokens(ServingConfig(host=host)) is None


def test_a_service_has_the_names_of_its_machine_and_its_own() -> None:
    assert own_names("127.0.0.1") == {"localhost", "127.0.0.1", "::1"}
    assert "127.9.9.9" in own_names("127.9.9.9")


def test_a_token_is_known_by_its_hash_and_others_are_not(tmp_path: Path) -> None:
    tokens = Tokens(written(tmp_path / "tokens.yaml", [token("shop"), token("ads", scopes=["items", "histories"])]))
    found = tokens.find("ads")
    assert found is not None
    assert (found.name, found.scopes) == ("ads", {"items", "histories"})
    for wrong in ("", "Shop", "shop ", hashlib.sha256(b"shop").hexdigest(), "ünï\udcff"):
        assert tokens.find(wrong) is None


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "wrong at the file"), ("{", "cannot be read"), ("- x", "wrong at 0"), ([], "lets nobody in"), ([token("Shop")], r"wrong at 0\.name"),
        ([token("shop", sha256="secret")], r"wrong at 0\.sha256"), ([token("shop", scopes=["all"])], r"wrong at 0\.scopes"), ([token("shop", scopes=[])], r"wrong at 0\.scopes"),
        ([token("shop"), token("shop", sha256="0" * 64)], "one name"), ([token("shop"), token("shop") | {"name": "b"}], "one sha256"),
    ],
)  # fmt: skip
def test_a_file_of_tokens_that_is_none_is_told_without_what_stands_in_it(tmp_path: Path, rows: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=f"serving.tokens_file: .*{said}.*; expected a list") as raised:
        read_tokens(written(tmp_path / "tokens.yaml", rows))
    assert "secret" not in str(raised.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_tokens(tmp_path / "absent.yaml")


def test_tokens_follow_their_file_and_stay_where_it_is_spoilt(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path / "tokens.yaml", [token("shop")])
    tokens = Tokens(path)
    written(path, "{ spoilt")
    tokens.refresh()
    assert tokens.find("shop") is not None
    assert "the tokens stay what they were" in caplog.text
    path.unlink()
    tokens.refresh()
    assert tokens.find("shop") is not None
    written(path, [token("ads")])
    tokens.refresh()
    assert (tokens.find("shop"), tokens.find("ads") is None) == (None, False)


def sent(parts: list[bytes], headers: dict[str, str], max_bytes: int = 10) -> bytes:
    """What an app behind bounded bodies gets."""
    got = bytearray()
    messages: Iterator[dict[str, Any]] = ({"type": "http.request", "body": part, "more_body": place < len(parts) - 1} for place, part in enumerate(parts))

    async def receive() -> dict[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        got.extend(message["body"])
        assert message["more_body"] is False

    scope = {"type": "http", "method": "POST", "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    asyncio.run(BoundedBodies(app, max_bytes, 1)(scope, receive, None))  # type: ignore[arg-type]
    return bytes(got)


@given(st.lists(st.binary(max_size=12), min_size=1, max_size=6))
def test_a_body_is_handed_on_whole_or_refused(parts: list[bytes]) -> None:
    body = b"".join(parts)
    if len(body) <= 10:
        assert sent(parts, {}) == body
    else:
        with pytest.raises(Refusal, match="expected a body of"):
            sent(parts, {})


def test_a_body_that_is_said_to_be_far_too_large_is_not_read() -> None:
    with pytest.raises(Refusal, match="expected a body of"):
        sent([b""], {"content-length": str(10 * READ_ON + 1)})
    assert sent([b"x"], {"content-length": "1"}) == b"x"


def test_a_body_that_breaks_off_is_nobodys() -> None:
    with pytest.raises(Refusal, match="has gone"):
        sent([], {})
