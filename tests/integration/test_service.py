"""The service for real: uvicorn on loopback, MiniLM out of MLflow, Milvus Lite, and a Milvus that goes away and comes back."""

import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from running_service import Running, serving
from serving_lake import PEOPLE, TOPICS, all_chunks, chunks, copied_lake, history, person_id, register_base_encoder, unit, write_sequences

from lake import arrow_tables
from lake.config import LakeConfig
from lake.labels import label_item_id
from lake.vectors import USER_VECTORS
from pipeline import cli
from serving.announcement import Announcement, announce, announced, settings_digest
from serving.api.keeper import Keeper
from serving.api.metrics import Metrics
from serving.api.problems import NotServing
from serving.client import TOKEN_VARIABLE
from serving.config import ServingConfig
from serving.erasing import erase_from_index
from serving.jobs import embed, load

LITE_AS_SERVER = """
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
from milvus_lite.adapter.grpc.servicer import MilvusServicer
from milvus_lite.db import MilvusLite
from pymilvus.grpc_gen.milvus_pb2_grpc import add_MilvusServiceServicer_to_server
server = grpc.server(ThreadPoolExecutor(10), options=[("grpc.http2.max_ping_strikes", 0)])  # a Milvus server lets clients ping, too
add_MilvusServiceServicer_to_server(MilvusServicer(MilvusLite(sys.argv[1])), server)
server.add_insecure_port(f"127.0.0.1:{sys.argv[2]}")
server.start()
server.wait_for_termination()
"""


@pytest.fixture(scope="module")
def made(loaded: LakeConfig) -> LakeConfig:
    """A loaded lake."""
    return loaded


def acts_of(name: str) -> list[dict[str, Any]]:
    """A person's history as an app would send it."""
    return [
        {"platform": row["platform"], "community": row["community"], "text": row["text"], "created_at": row["created_at"].isoformat()} for row in history(name)
    ]


def test_each_question_is_answered(service: Running) -> None:
    stargazer, other = person_id("stargazer"), person_id("astrophotographer")
    similar = service.hits("similar-users", user=stargazer, limit=2)
    assert (similar[0]["person_id"], {topic["text"] for topic in similar[0]["shared"][:2]}) == (other, {TOPICS["telescopes"][0], TOPICS["galaxies"][0]})
    assert service.hits("recommendations", user=stargazer, level="broad")[0]["text"] == "Astronomy"
    assert {hit["person_id"] for hit in service.hits("audience", text="Observing the night sky", limit=2)} == {stargazer, other}
    assert {hit["person_id"] for hit in service.hits("audience", item_id=label_item_id("broad", "Cycling"), limit=1)} == {person_id("cyclist")}
    assert service.hits("items/search", text="riding a bike")[0]["text"] == TOPICS["bicycles"][0]
    assert service.hits("items/search", text="board game", level="broad", limit=1)[0]["text"] == "Board games"


def test_an_answer_says_which_load_it_is_of(service: Running, made: LakeConfig) -> None:
    (version,) = set(arrow_tables.read(made, USER_VECTORS, ("encoder_version",))["encoder_version"].to_pylist())
    _, answer, headers = service.request("POST", "/v1/audience", {"text": "bread"}, {"X-Request-ID": "mine-1"})
    assert (answer["index"]["encoder_version"], headers["x-request-id"]) == (version, "mine-1")


def test_people_can_be_filtered_paged_and_cut_by_score(service: Running) -> None:
    ask = {"user": person_id("stargazer")}
    everybody = service.hits("similar-users", **ask)
    assert service.hits("similar-users", **ask, limit=2, offset=1) == everybody[1:3]
    assert service.hits("similar-users", **ask, offset=100) == []
    assert [hit["person_id"] for hit in service.hits("similar-users", **ask, min_score=0.5)] == [person_id("astrophotographer")]
    assert {hit["person_id"] for hit in service.hits("similar-users", **ask, communities=["chess", "bicycles"])} == {
        person_id("cyclist"),
        person_id("chess-player"),
    }
    assert len(service.hits("similar-users", **ask, min_units=3)) == 3
    assert service.hits("similar-users", **ask, platforms=["elsewhere"]) == []
    assert len(service.hits("similar-users", **ask, active_since="2023-01-03T01:00:00+01:00")) == 3
    assert service.hits("similar-users", **ask, active_since="2023-01-03T00:00:01Z") == []


def test_recommendations_page_over_what_is_new_and_keep_to_a_source(service: Running) -> None:
    ask = {"user": person_id("stargazer")}
    new = service.hits("recommendations", **ask, only_new=True)
    assert {hit["text"] for hit in new} == {TOPICS[name][0] for name in TOPICS if name not in ("telescopes", "galaxies")}
    assert service.hits("recommendations", **ask, only_new=True, limit=2, offset=1) == new[1:3]
    assert [hit["known"] for hit in service.hits("recommendations", **ask, limit=2)] == [True, True]
    assert len(service.hits("recommendations", **ask, sources=["labels"])) == 10, "labels of both levels"
    assert service.hits("recommendations", **ask, sources=["films"]) == []


def test_why_tells_the_persons_own_labels_and_units(service: Running) -> None:
    ask = {"user": person_id("stargazer"), "item_id": label_item_id("specific", TOPICS["galaxies"][0])}
    reasons = service.hits("why", **ask)
    assert [(reason["specific"], reason["unit_count"]) for reason in reasons] == [(TOPICS["galaxies"][0], 1), (TOPICS["telescopes"][0], 2)]
    assert reasons[0]["score"] == pytest.approx(1, abs=1e-5)
    assert [row["unit_id"] for row in reasons[1]["units"]] == ["test:stargazer-2", "test:stargazer-0"]
    broad = service.hits("why", user=person_id("baker"), item_id=label_item_id("broad", "Cooking"))
    assert [reason["score"] for reason in broad] == pytest.approx([1, 1], abs=1e-5)


def test_a_history_never_seen_has_the_vector_that_it_would_have_in_the_lake(service: Running, made: LakeConfig) -> None:
    rows = {row["person_id"]: row for row in arrow_tables.read(made, USER_VECTORS).to_pylist()}
    acts = acts_of("stargazer")
    status, answer, _ = service.request("POST", "/v1/histories/vector", {"acts": acts[::-1]})
    assert status == 200
    assert answer["result"]["vector"] == pytest.approx(rows[person_id("stargazer")]["vector"], abs=1e-5), "put in order by time"
    assert answer["result"]["encoded_units"] == 3
    assert [hit["person_id"] for hit in service.hits("histories/similar-users", acts=acts, limit=2)] == [person_id("stargazer"), person_id("astrophotographer")]
    recommended = service.hits("histories/recommendations", acts=acts, by="alike", limit=3)
    known = service.hits("recommendations", user=person_id("stargazer"), by="alike", limit=3)
    assert [hit["item_id"] for hit in recommended] == [hit["item_id"] for hit in known]


def test_a_history_may_come_in_a_platforms_own_form(service: Running) -> None:
    common = {"link_id": "t3_abc", "subreddit": "bread", "score": 1}
    comments = [
        common | {"id": "k1", "author": "ann", "body": "Feed the starter &amp; wait", "parent_id": "t3_abc", "created_utc": 1706745600},
        common | {"id": "k2", "author": "bob", "body": "How long?", "parent_id": "t1_k1", "created_utc": 1706745700},
        common | {"id": "k3", "author": "Ann", "body": "Until it doubles", "parent_id": "t1_k2", "created_utc": 1706745800},
    ]
    archive = {"platform": "reddit", "files": {"RC_2024-02": "\n".join(map(json.dumps, comments))}, "account": "ann"}
    acts = [
        {"platform": "reddit", "community": "bread", "text": "Feed the starter & wait"},
        {"platform": "reddit", "community": "bread", "text": "Until it doubles", "context": [{"role": "parent", "text": "How long?"}]},
    ]
    by_file, by_act = (service.request("POST", "/v1/histories/vector", asked)[1]["result"] for asked in ({"archive": archive}, {"acts": acts}))
    assert by_file["vector"] == pytest.approx(by_act["vector"], abs=1e-5)
    assert by_file["encoded_units"] == 2
    status, answer, _ = service.request("POST", "/v1/histories/similar-users", {"archive": archive | {"account": "carl"}})
    assert (status, answer["code"]) == (422, "unreadable_archive")
    assert "none is the one that was named" in answer["message"]


LONE = b'{"text": "a\\ud800b"}'
HOSTILE: dict[str, tuple[str, Any, int, str]] = {
    "no body": ("audience", b"", 422, "body"),
    "no JSON": ("audience", b"{", 422, "body"),
    "no UTF-8": ("audience", b'{"text": "\xff\xfe"}', 400, ""),
    "UTF-16": ("audience", '{"text": "stars"}'.encode("utf-16"), 200, ""),
    "a list": ("audience", [], 422, "body"),
    "a text": ("audience", "stars", 422, "body"),
    "null": ("audience", None, 422, "body"),
    "deep": ("audience", b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, ""),
    "empty text": ("audience", {"text": ""}, 422, "text"),
    "white text": ("audience", {"text": " \t\n\u200b\u2028\ufeff"}, 422, "text"),
    "half a character": ("audience", LONE, 422, "text"),
    "half a character in an id": ("similar-users", b'{"user": "\\udfff"}', 422, "user"),
    "long text": ("audience", {"text": "stars " * 10_000}, 422, "text"),
    "neither": ("audience", {}, 422, "body"),
    "both": ("audience", {"text": "a", "item_id": "b"}, 422, "body"),
    "unknown field": ("audience", {"text": "a", "limti": 3}, 422, "limti"),
    "field of a control character": ("audience", {"text": "a", "x\x1b[31m": 3}, 422, "x [31m"),
    "no limit": ("audience", {"text": "a", "limit": 0}, 422, "limit"),
    "great limit": ("audience", {"text": "a", "limit": 10**30}, 422, "limit"),
    "limit of a thousand": ("audience", {"text": "a", "limit": 1000, "offset": 10_000}, 200, ""),
    "negative offset": ("audience", {"text": "a", "offset": -1}, 422, "offset"),
    "score of no number": ("audience", b'{"text": "a", "min_score": NaN}', 422, "min_score"),
    "endless score": ("audience", b'{"text": "a", "min_score": 1e999}', 422, "min_score"),
    "time without a zone": ("audience", {"text": "a", "active_since": "2023-01-01T00:00:00"}, 422, "active_since"),
    "first of all times": ("audience", {"text": "a", "active_since": "0001-01-01T00:00:00+14:00"}, 200, ""),
    "early time": ("audience", {"text": "a", "active_since": "0001-01-02T00:00:00Z"}, 200, ""),
    "last time": ("audience", {"text": "a", "active_since": "9999-12-31T23:59:59-14:00"}, 200, ""),
    "units beyond 64 bits": ("audience", {"text": "a", "min_units": 2**64}, 422, "min_units"),
    "quotes in a filter": ("audience", {"text": "a", "communities": ['") or unit_count >= 0 or ("', "\\", "'"]}, 200, ""),
    "line break in a filter": ("audience", {"text": "a", "communities": ["a\nb"]}, 422, "communities.0"),
    "many filters": ("audience", {"text": "a", "communities": [str(number) for number in range(51)]}, 422, "communities"),
    "other scripts in a filter": ("audience", {"text": "a", "communities": ["r/日本語", "👩‍🚀", "ünï"]}, 200, ""),
    "unknown person": ("similar-users", {"user": "nobody"}, 404, ""),
    "an id that is a filter": ("similar-users", {"user": "a' or person_id != 'b"}, 404, ""),
    "an id that is a quoted filter": ("similar-users", {"user": 'a" or person_id != "b'}, 404, ""),
    "an id of NUL": ("similar-users", {"user": "a\x00"}, 422, "user"),
    "empty id": ("similar-users", {"user": ""}, 422, "user"),
    "long id": ("similar-users", {"user": "a" * 257}, 422, "user"),
    "an id of another script": ("similar-users", {"user": "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 👩‍🚀"}, 404, ""),
    "an id that is a number": ("similar-users", {"user": 1}, 422, "user"),
    "unknown level": ("recommendations", {"user": "a", "level": "middling"}, 422, "level"),
    "unknown item": ("why", {"user": person_id("baker"), "item_id": "x"}, 404, ""),
    "an account by halves": ("people/find", {"platform": "reddit"}, 422, "body"),
    "an account and an id": ("people/find", {"user": "a", "platform": "reddit", "name": "b"}, 422, "body"),
    "nobody to find": ("people/find", {"user": "nobody"}, 404, ""),
    "a name nobody has": ("people/find", {"platform": "reddit", "name": "\u202estars\x00"}, 404, ""),
    "a history of nobody": ("people/history", {"user": "nobody"}, 404, ""),
    "a history from far back": ("people/history", {"user": person_id("baker"), "offset": 100_000_000}, 200, ""),
    "a history of too much": ("people/history", {"user": person_id("baker"), "limit": 1001}, 422, "limit"),
    "as of no zone": ("recommendations", {"user": person_id("baker"), "as_of": "2023-01-01T00:00:00"}, 422, "as_of"),
    "as of before all": ("recommendations", {"user": person_id("baker"), "as_of": "1970-01-01T00:00:00Z"}, 422, ""),
    "no acts": ("histories/vector", {"acts": []}, 422, "acts"),
    "an act of nothing": ("histories/vector", {"acts": [{"text": " "}]}, 422, "acts.0"),
    "an act of half a character": ("histories/vector", b'{"acts": [{"text": "a\\ud800"}]}', 422, "acts.0.text"),
    "a role that is none": ("histories/vector", {"acts": [{"text": "a", "context": [{"role": "boss", "text": "b"}]}]}, 422, "acts.0.context.0.role"),
    "too many acts": ("histories/vector", {"acts": [{"text": "a"}] * 5001}, 422, "acts"),
    "an act full of control characters": ("histories/vector", {"acts": [{"text": "\x00\x1b[2J \u202e stars"}]}, 200, ""),
    "an act of 100,000 characters": ("histories/vector", {"acts": [{"text": "star 🌟" * 14_000}]}, 200, ""),
    "no form of a history": ("histories/vector", {}, 422, "body"),
    "two forms of a history": ("histories/vector", {"acts": [{"text": "a"}], "archive": {"platform": "reddit", "files": {"RC": "x"}}}, 422, "body"),
    "a file above its folder": ("histories/vector", {"archive": {"platform": "reddit", "files": {"../RC": "x"}}}, 422, "archive.files.../RC.[key]"),
    "a file of half a character": ("histories/vector", b'{"archive": {"platform": "reddit", "files": {"RC": "\\ud800"}}}', 422, "archive.files.RC"),
    "a file of no lines": ("histories/vector", {"archive": {"platform": "reddit", "files": {"RC_2024-02": "stars"}}}, 422, ""),
    "no parser": ("histories/vector", {"archive": {"platform": "\x1b[31m", "files": {"RC": "x"}}}, 422, "archive.platform"),
    "an archive in an archive": ("histories/vector", {"archive": {"platform": "takeout", "files": {"me/takeout-20240302T101112Z-001.zip": "PK\x03\x04"}}}, 422, ""),
    "a body beyond the limit": ("histories/vector", b'{"acts": "' + b"x" * (2 << 20) + b'"}', 413, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_is_sent_gets_its_answer_and_nothing_is_quoted(service: Running, name: str) -> None:
    path, body, expected, where = HOSTILE[name]
    status, answer, _ = service.request("POST", f"/v1/{path}", b"null" if body is None else body)
    assert (status, where in [wrong["where"] for wrong in answer.get("wrong", [])] or not where) == (expected, True), answer
    if status != 200:
        assert set(answer) == {"code", "message", "request_id", "wrong"}
        assert "stars" not in json.dumps(answer)


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("GET", "/v1/audience", {}, 405), ("POST", "/v1/nothing", {}, 404), ("POST", "/v1/audience/", {}, 404), ("POST", "/v1/audience%0A", {}, 404),
        ("POST", "//v1/audience", {}, 404), ("GET", "/v1/../metrics", {}, 404), ("GET", "/docs", {}, 404), ("DELETE", "/health", {}, 405),
        ("GET", "/ready", {"Host": "evil.example"}, 403), ("GET", "/ready", {"Host": "localhost:1"}, 200), ("GET", "/ready", {"Host": ""}, 403),
        ("POST", "/v1/audience", {"Content-Type": "text/plain"}, 422), ("POST", "/v1/audience", {"Content-Encoding": "gzip"}, 200),
    ],
)  # fmt: skip
def test_other_routes_methods_hosts_and_types_are_refused(service: Running, method: str, path: str, headers: dict[str, str], expected: int) -> None:
    status, answer, _ = service.request(method, path, {"text": "a"} if method == "POST" else None, headers)
    assert status == expected, answer


def test_ids_of_requests_are_given_unless_they_are_harmless(service: Running) -> None:
    for given in ("a b", "x" * 65, 'quote"', "ünï".encode().decode("latin-1")):
        _, _, headers = service.request("GET", "/health", None, {"X-Request-ID": given})
        assert len(headers["x-request-id"]) == 32


def test_a_body_that_does_not_come_is_not_waited_for(service: Running) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as slow:
        slow.sendall(b"POST /v1/audience HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        assert slow.recv(1000).startswith(b"HTTP/1.1 408")


def test_a_body_without_end_is_cut_off(service: Running) -> None:
    for length in ("Content-Length: 1000000000000", "Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as endless:
            endless.sendall(f"POST /v1/audience HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}\r\n\r\n".encode())
            with suppress(OSError):
                for _ in range(0 if "Length" in length else 40):
                    endless.sendall(b"80000\r\n" + b"x" * 0x80000 + b"\r\n")
            assert endless.recv(1000).startswith(b"HTTP/1.1 413")


def test_the_log_and_the_figures_say_nothing_of_whom_or_what_was_asked(service: Running) -> None:
    service.hits("similar-users", user=person_id("baker"), communities=["espresso"])
    service.hits("audience", text="Observing the night sky")
    service.request("POST", "/v1/similar-users", {"user": "someone@example.org"}, {"X-Request-ID": "unknown"})
    wait_for(lambda: any(line.get("request_id") == "unknown" for line in service.lines()))
    figures = service.request("GET", "/metrics")[1]
    said = service.log.read_text() + figures
    for word in (person_id("baker"), "espresso", "night sky", "example.org", "127.0.0.1:5"):
        assert word not in said
    (line,) = (line for line in service.lines() if line.get("request_id") == "unknown")
    assert (line["route"], line["status"], line["problem"]) == ("/v1/similar-users", 404, "unknown_id")
    assert 'kindred_requests_total{route="/v1/similar-users",status="404"}' in figures
    assert "kindred_index_up 1.0" in figures


def test_the_description_names_every_route(service: Running) -> None:
    paths = service.request("GET", "/openapi.json")[1]["paths"]
    assert {path for path in paths if path.startswith("/v1/")} == {
        "/v1/similar-users", "/v1/recommendations", "/v1/audience", "/v1/items/search", "/v1/why", "/v1/histories/vector", "/v1/histories/recommendations",
        "/v1/histories/similar-users", "/v1/people/find", "/v1/people/history",
    }  # fmt: skip
    assert "UniversalAct" in json.dumps(paths["/v1/histories/vector"]) or "VectorOfHistory" in json.dumps(paths["/v1/histories/vector"])


@pytest.fixture
def own(made: LakeConfig, tmp_path: Path) -> LakeConfig:
    """A copy of the lake that a test may change."""
    return copied_lake(made, tmp_path)


def on_command_line(lake: LakeConfig, capfd: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    capfd.readouterr()
    assert cli.main(["serving", *words, "--lake", lake.path, "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capfd.readouterr().out)
    return found


def test_loads_and_encoders_are_taken_up_while_apps_ask_and_the_command_line_asks_the_service(
    own: LakeConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_itself = on_command_line(own, capfd, "similar-users", "--user", person_id("baker"), "--min-units", "3", "--offset", "1", "--limit", "2")
    loads: set[tuple[str, str, int]] = set()
    with serving(own, tmp_path / "log") as service:
        service.until("/ready", 200)
        with monkeypatch.context() as patch:
            patch.setattr("serving.searcher.answer_here", lambda *_: pytest.fail("the service was not asked"))
            asked = on_command_line(own, capfd, "similar-users", "--user", person_id("baker"), "--min-units", "3", "--offset", "1", "--limit", "2")
            assert asked == by_itself
            assert on_command_line(own, capfd, "audience", "baking bread", "--limit", "1")[0]["person_id"] == person_id("baker")
            assert cli.main(["serving", "similar-users", "--user", "nobody", "--lake", own.path]) == 1
            assert "no such person" in capfd.readouterr().err

        stopped = threading.Event()
        failures: list[Any] = []

        def ask_on() -> None:
            while not stopped.is_set():
                status, answer, _ = service.request("POST", "/v1/audience", {"text": "chess"})
                if status == 200:
                    loads.add((answer["index"]["encoder_version"], answer["index"]["loaded_at"], len(answer["hits"])))
                else:
                    failures.append(answer)

        asking = threading.Thread(target=ask_on)
        asking.start()
        try:
            write_sequences(own, [*all_chunks(), *chunks("new", [unit("new", 1, "chess")])])
            embed.embed(own, ServingConfig())
            load.load(own, ServingConfig())  # Milvus Lite is free: the service has a copy
            wait_for(lambda: any(people == len(PEOPLE) + 1 for _, _, people in loads))
            version = register_base_encoder(own, tmp_path / "other", max_tokens=64)
            assert service.hits("audience", text="chess", limit=1)[0]["person_id"], "who is promoted and not embedded yet is not served yet"
            embed.embed(own, ServingConfig())
            load.load(own, ServingConfig())
            wait_for(lambda: any(encoder == version for encoder, _, _ in loads))
        finally:
            stopped.set()
            asking.join()
        assert (failures, len(loads), len({encoder for encoder, _, _ in loads})) == ([], 3, 2)
    assert announced(own) is None


def test_a_copy_ends_when_the_lake_has_nothing_loaded_any_more(own: LakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    """As when a person is erased and the index cannot be built anew: the copy has them still."""
    keeper, gone = Keeper(own, ServingConfig(), Metrics()), person_id("baker")
    keeper.refresh()
    with keeper.served() as now:
        assert now.index.person(gone)["person_id"] == gone
        arrow_tables.overwrite(own, USER_VECTORS, arrow_tables.read(own, USER_VECTORS))  # not what 'serving embed' left
        assert erase_from_index(own, ServingConfig(), [gone], []) == 1
        for _ in range(3):
            keeper.refresh()
        assert now.index.person(gone)["person_id"] == gone, "a request that is under way ends with it"
    assert not keeper.is_serving
    with pytest.raises(NotServing), keeper.served():
        pass
    keeper.stop()
    assert [line for line in caplog.messages if line.startswith("not all is well")] == [
        f"not all is well: {own.path}/_local/milvus.db: alias 'users' stands for nothing; load vectors with 'kindred serving load'"
    ]


def test_what_a_killed_service_leaves_does_not_mislead_the_command_line(own: LakeConfig, capfd: pytest.CaptureFixture[str]) -> None:
    gone = Announcement(url="http://127.0.0.1:9", pid=1, instance="gone", settings=settings_digest(own, ServingConfig()), wants_token=False)
    announce(own, gone)
    assert on_command_line(own, capfd, "similar-users", "--user", person_id("baker"), "--limit", "1")[0]["person_id"] == person_id("barista")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # another program has the port by now, and says nothing
        announce(own, gone.model_copy(update={"url": f"http://127.0.0.1:{silent.getsockname()[1]}"}))
        assert on_command_line(own, capfd, "similar-users", "--user", person_id("baker"), "--limit", "1")[0]["person_id"] == person_id("barista")


@pytest.mark.parametrize(
    "words", [["audience", ""], ["audience", "  "], ["similar-users", "--user", "a", "--limit", "0"], ["recommend", "--user", "a", "--offset", "-1"]]
)
def test_what_cannot_be_asked_is_told(made: LakeConfig, words: Sequence[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serving", *words, "--lake", made.path]) == 1
    assert "question." in capfd.readouterr().err.splitlines()[-1]


def test_a_query_makes_no_lake(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with milvus(tmp_path / "remote.db") as uri:
        for words in (["similar-users", "--user", "a"], ["recommend", "--user", "a"], ["serve"]):
            for server in ([], ["--set", f"serving.milvus_uri={uri}"]):
                assert cli.main(["serving", *words, "--lake", str(tmp_path / "typo"), *server]) == 1
    assert not (tmp_path / "typo").exists()


@contextmanager
def milvus(folder: Path, port: int = 0) -> Iterator[str]:
    """A Milvus that is asked over the network (Milvus Lite behind its own server), killed at the end; its URI."""
    with socket.create_server(("127.0.0.1", port)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", LITE_AS_SERVER, str(folder), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: accepts(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_for(happened: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def test_tokens_are_asked_for_and_a_milvus_that_was_away_is_asked_again(made: LakeConfig, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    secrets = {"people": ["people"], "histories": ["histories", "items"], "scraper": ["metrics"]}
    tokens = tmp_path / "tokens.yaml"
    write_tokens(tokens, secrets)

    def asked(path: str, body: Any, token: str | None) -> int:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return service.request("GET" if body is None else "POST", path, body, headers)[0]

    similar, history_of = {"user": person_id("baker")}, {"acts": acts_of("baker")}
    remote = tmp_path / "remote.db"
    with milvus(remote) as uri:
        port = int(uri.rpartition(":")[2])
        config = ServingConfig(milvus_uri=uri, index_type="FLAT")
        load.load(made, config)
        settings = [f"serving.milvus_uri={uri}", "serving.index_type=FLAT", f"serving.tokens_file={tokens}", "serving.requests_per_minute=200"]
        running = serving(made, tmp_path / "log", *settings)
        service = running.__enter__()
        try:
            service.until("/ready", 200)
            for path, body, allowed in (
                ("/v1/similar-users", similar, {"people"}), ("/v1/histories/vector", history_of, {"histories"}),
                ("/v1/histories/recommendations", history_of, {"histories"}), ("/v1/histories/similar-users", history_of, set()),
                ("/metrics", None, {"scraper"}),
            ):  # fmt: skip
                assert {name: asked(path, body, name) for name in secrets} == {name: 200 if name in allowed else 403 for name in secrets}, path
                assert [asked(path, body, wrong) for wrong in (None, "", "wrong", "people ", "p" * 9000)][:3] == [401, 401, 401]
            assert asked("/metrics%0A", None, "people") == 404
            assert service.request("POST", "/v1/similar-users", similar, {"Authorization": "Basic people"})[0] == 401
            assert on_command_line_with_token(made, uri, capfd) == person_id("barista")
            write_tokens(tokens, {"histories": ["histories"]})
            wait_for(lambda: asked("/v1/similar-users", similar, "people") == 401)
            write_tokens(tokens, secrets)
            wait_for(lambda: asked("/v1/similar-users", similar, "people") == 200)
            assert [status for _ in range(40) if (status := asked("/v1/similar-users", similar, "people")) != 200][:1] == [429]
        except BaseException:
            running.__exit__(None, None, None)
            raise
    try:
        service.until("/ready", 503)
        status, answer, headers = service.request("POST", "/v1/histories/recommendations", history_of, {"Authorization": "Bearer histories"})
        assert (status, answer["code"], headers["retry-after"]) == (503, "unavailable", "1")
        with milvus(remote, port):
            service.until("/ready", 200)
            assert asked("/v1/histories/recommendations", history_of, "histories") == 200
    finally:
        running.__exit__(None, None, None)


def write_tokens(path: Path, scopes: dict[str, list[str]]) -> None:
    rows = [{"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": of_token} for name, of_token in scopes.items()]
    path.write_text(json.dumps(rows))


def on_command_line_with_token(lake: LakeConfig, uri: str, capfd: pytest.CaptureFixture[str]) -> str:
    """Whom the command line finds, with a token and without."""
    words = ["similar-users", "--user", person_id("baker"), "--limit", "1", "--set", f"serving.milvus_uri={uri}", "--set", "serving.index_type=FLAT"]
    (alone,) = on_command_line(lake, capfd, *words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TOKEN_VARIABLE, "people")
        patch.setattr("serving.searcher.answer_here", lambda *_: pytest.fail("the service was not asked"))
        (asked,) = on_command_line(lake, capfd, *words)
        patch.setenv(TOKEN_VARIABLE, "wrong")
        assert cli.main(["serving", *words, "--lake", lake.path]) == 1
        assert f"set {TOKEN_VARIABLE}" in capfd.readouterr().err
    assert asked == alone
    return str(asked["person_id"])
