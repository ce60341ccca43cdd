"""An endpoint of OpenAI's kind on loopback that does what ours may meet: it refuses prompts, is busy, breaks, hangs up, or is not there."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from teacher_lake import answers, unit_row, write_units, written

from conf.errors import TeacherError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import JOB_RUNS
from lake.labels import LABELS
from teacher.config import KEY_VARIABLE, TeacherConfig
from teacher.engine import Decoding
from teacher.engines.openai_engine import OpenAiEngine, served_model
from teacher.identity import find_teacher
from teacher.jobs.label import label_units

Answer = tuple[int, Any]
KEY = "sk-kindred-test-5d41402a"
GOOD = json.dumps({"specific": "Repairing an old bridge", "broad": "Bridges"})


def completion(text: str | None = GOOD, finish_reason: str = "stop", **message: Any) -> Answer:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 200, "completion_tokens": 20, "total_tokens": 220, "prompt_tokens_details": {"cached_tokens": 160}}
    return 200, {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def refusal(message: str, status: int = 400, code: str | None = None) -> Answer:
    return status, {"error": {"message": message, "type": "invalid_request_error", "code": code}}


class Endpoint:
    """What an endpoint answers to a request body, and what it was asked."""

    def __init__(self, answer: Callable[[dict[str, Any], int], Answer | None]) -> None:
        self.answer, self.bodies, self.headers = answer, [], []  # type: ignore[var-annotated]
        self.at_once = self.most_at_once = 0
        self.times: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.models: Answer = (
            200,
            {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "us", "root": "/somewhere/m", "max_model_len": 99}]},
        )
        self.base_url = ""

    def asked(self, body: dict[str, Any]) -> int:
        """How often this was asked before."""
        with self.lock:
            self.bodies.append(body)
            self.times[json.dumps(body)] += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            return self.times[json.dumps(body)] - 1

    def answered(self) -> None:
        with self.lock:
            self.at_once -= 1


def handler_of(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send(*endpoint.models)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})
            answer = endpoint.answer(body, endpoint.asked(body))
            endpoint.answered()
            if answer is None:
                self.close_connection = True
                return
            self.send(*answer)

        def send(self, status: int, content: Any) -> None:
            is_text = isinstance(content, str)
            sent = content.encode() if is_text else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if is_text else "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.send_header("Retry-After-Ms", "5")
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: Any) -> None:
            return

    return Handler


@contextmanager
def serving(answer: Callable[[dict[str, Any], int], Answer | None]) -> Iterator[Endpoint]:
    endpoint = Endpoint(answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(endpoint))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    endpoint.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()


def settings(endpoint: Endpoint, **more: Any) -> TeacherConfig:
    openai = {"base_url": endpoint.base_url, "retries": 2, "timeout_seconds": 5, **more.pop("openai", {})}
    return TeacherConfig.model_validate({"engine": "openai", "model": "m", "batch_units": 4, "max_reject_share": 1, "openai": openai, **more})


def words(body: dict[str, Any]) -> str:
    return body["messages"][-1]["content"]


def thoughts(count: int) -> list[dict[str, Any]]:
    return [unit_row(f"reddit:t1_{number:02}", "ann", f"a thought number {number} on bridges") for number in range(count)]


def test_each_unit_is_asked_once_by_its_schema_and_the_key_stands_in_no_table(
    lake: LakeConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, f" {KEY}\n")
    write_units(lake, thoughts(10))
    with serving(lambda body, _: completion()) as endpoint:
        label_units(lake, settings(endpoint, openai={"body": {"top_k": 1, "api_key": KEY, "metadata": [{"secret": KEY, "url": f"https://me:{KEY}@x"}]}}))
        assert len(endpoint.bodies) == 10
    labels, rejects = answers(lake)
    assert (len(labels), len(rejects)) == (10, 0)
    assert {(row["specific"], row["prompt_tokens"], row["completion_tokens"]) for row in labels} == {("Repairing an old bridge", 200, 20)}
    body = endpoint.bodies[0]
    assert (body["model"], body["temperature"], body["top_k"], body["max_tokens"]) == ("m", 0, 1, 96)
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["specific", "broad"]
    assert endpoint.headers[0]["authorization"] == f"Bearer {KEY}"
    (run,) = arrow_tables.read(lake, JOB_RUNS).to_pylist()
    assert dict(run["rows"])["prompt tokens cached"] == 1600
    assert KEY not in str(run) + str(written(lake, LABELS)) + caplog.text


def test_what_an_answer_belongs_to_is_told_by_the_prompt_whatever_comes_first(lake: LakeConfig) -> None:
    def late(body: dict[str, Any], _: int) -> Answer:
        number = words(body).split("number ")[1].split()[0]
        threading.Event().wait(0.2 if int(number) % 2 else 0.05)
        return completion(json.dumps({"specific": f"Thinking about bridge {number} at length", "broad": "Bridges"}))

    units = thoughts(24)
    write_units(lake, units)
    with serving(late) as endpoint:
        label_units(lake, settings(endpoint, batch_units=24, openai={"requests_at_once": 5}))
        assert 1 < endpoint.most_at_once <= 5
    numbers = {unit["unit_hash"]: int(unit["unit_id"][-2:]) for unit in units}
    assert all(row["specific"] == f"Thinking about bridge {numbers[row['unit_hash']]} at length" for row in answers(lake)[0])
    assert len(answers(lake)[0]) == 24


@pytest.mark.parametrize("status", [429, 500, 503, 408, None])
def test_a_busy_or_broken_moment_is_waited_for(lake: LakeConfig, status: int | None) -> None:
    write_units(lake, thoughts(4))
    with serving(lambda body, before: completion() if before >= 2 else status and refusal("try later", status)) as endpoint:  # type: ignore[arg-type, return-value]
        label_units(lake, settings(endpoint))
        assert set(endpoint.times.values()) == {3}
    assert len(answers(lake)[0]) == 4


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (refusal("This model's maximum context length is 99 tokens", code="context_length_exceeded"), "prompt: too many tokens"),
        (
            refusal("The response was filtered due to the prompt triggering content management policy", code="content_filter"),
            "prompt: refused by a content filter",
        ),
        (refusal("no"), "prompt: refused by the endpoint"),
        (refusal("unprocessable", 422), "prompt: refused by the endpoint"),
        (completion("", "content_filter"), "answer: cut by a content filter"),
        (completion(None, refusal="I cannot"), "answer: refusal"),
        (completion("{"), "answer: no JSON of two labels"),
        (completion(None), "answer: no JSON of two labels"),
    ],
)
def test_what_one_prompt_is_refused_for_is_its_reject_and_stops_nobody(lake: LakeConfig, refused: Answer, reason: str) -> None:
    write_units(lake, thoughts(5))
    with serving(lambda body, _: refused if "number 4 " in words(body) else completion()) as endpoint:
        label_units(lake, settings(endpoint))
        labels, rejects = answers(lake)
        assert ([row["reason"] for row in rejects], len(labels)) == ([reason], 4)
        label_units(lake, settings(endpoint))
        assert len(endpoint.bodies) == 5 + (reason.startswith(("prompt", "answer: cut", "answer: refusal"))), (
            "one harmless question, where all of a batch is refused"
        )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refusal("Incorrect API key", 401), rf"refuses the key .*{KEY_VARIABLE}"),
        (refusal("not yours", 403), "refuses the key"),
        (refusal("The model `m` does not exist", 404), "has no model 'm'"),
        (refusal("Invalid schema for response_format: max_tokens is too long a word"), "refuses every request: .*answer_shape"),
        (refusal("quota", 429), "fails .*quota.* 2 retries included.*run it again"),
        ((200, "<html>a login page</html>"), "answers something else than a completion"),
        ((200, {"choices": []}), "answers something else than a completion"),
        (None, "does not answer .*run it again to go on"),
    ],
)
def test_what_is_wrong_with_all_is_one_sentence_and_what_is_labelled_stays(lake: LakeConfig, answer: Answer | None, message: str) -> None:
    write_units(lake, thoughts(4))
    is_good = True
    with serving(lambda body, _: completion() if is_good else answer) as endpoint:
        label_units(lake, settings(endpoint))
        write_units(lake, [unit_row(f"reddit:t1_new{number}", "bob", f"a later thought {number}") for number in range(6)])
        is_good = False
        with pytest.raises(TeacherError, match=message) as failure:
            label_units(lake, settings(endpoint))
        assert "\n" not in str(failure.value)
        assert len(answers(lake)[0]) == 4
        is_good = True
        label_units(lake, settings(endpoint))
    assert len(answers(lake)[0]) == 10


def test_nobody_there_is_told_before_anything_is_asked(lake: LakeConfig) -> None:
    write_units(lake, thoughts(1))
    with serving(lambda body, _: completion()) as endpoint:
        pass
    with pytest.raises(TeacherError, match="does not answer"):
        label_units(lake, settings(endpoint, openai={"retries": 0, "base_url": endpoint.base_url.replace("http://", "http://me:hidden@")}))
    (run,) = arrow_tables.read(lake, JOB_RUNS).to_pylist() if arrow_tables.find_table(lake, JOB_RUNS) else ({},)
    assert "hidden" not in str(run)


def test_a_teacher_is_what_the_endpoint_tells_and_not_where_it_is_or_since_when() -> None:
    with serving(lambda body, _: completion()) as endpoint, serving(lambda body, _: completion()) as other:
        first = find_teacher(settings(endpoint))
        assert first.prompt.name == "chat"
        other.models[1]["data"][0] |= {"created": 77, "root": "/elsewhere/m"}
        assert find_teacher(settings(other)).version == first.version
        other.models[1]["data"][0] |= {"root": "/elsewhere/m-instruct"}
        assert find_teacher(settings(other)).version != first.version
        assert find_teacher(settings(endpoint, openai={"answer_shape": "free"})).version != first.version
        assert find_teacher(settings(endpoint, openai={"requests_at_once": 3, "retries": 1})).version == first.version
        for silent in (refusal("no such path", 404), (200, {"object": "list", "data": []})):
            other.models = silent
            assert served_model("m", settings(other).openai) == {}
        other.models = 200, "<html></html>"
        with pytest.raises(TeacherError):
            served_model("m", settings(other).openai)


@pytest.mark.parametrize(("shape", "sent"), [("json", {"type": "json_object"}), ("free", None)])
def test_an_endpoint_that_knows_no_schema_is_asked_without(lake: LakeConfig, shape: str, sent: Any) -> None:
    write_units(lake, thoughts(1))
    with serving(lambda body, _: completion()) as endpoint:
        label_units(lake, settings(endpoint, openai={"answer_shape": shape}))
        assert endpoint.bodies[0].get("response_format") == sent


def test_a_text_to_continue_goes_to_completions() -> None:
    def continued(body: dict[str, Any], _: int) -> Answer:
        return 200, {
            "id": "x",
            "object": "text_completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "text": f" {body['prompt']}!", "finish_reason": "length"}],
        }

    with serving(continued) as endpoint:
        engine = OpenAiEngine("m", settings(endpoint).openai, None)
        (found,) = engine.complete(["Topic:"], Decoding(5, ("\n",)))
        assert (found.text, found.is_whole, found.prompt_tokens) == (" Topic:!", False, 0)
        assert endpoint.bodies[0]["stop"] == ["\n"]
        assert engine.complete([], Decoding(5)) == []
