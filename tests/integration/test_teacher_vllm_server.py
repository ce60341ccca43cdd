"""The `openai` engine against a real endpoint: vLLM's own server with SmolLM2, on loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from teacher_lake import TEXTS, answers, unit_row, write_units, written

from conf.errors import TeacherError
from lake.config import LakeConfig
from lake.labels import LABELS
from teacher.config import TeacherConfig
from teacher.engines.openai_engine import OpenAiEngine
from teacher.engines.tokens import load_tokens
from teacher.identity import find_teacher, model_folder
from teacher.jobs.label import label_units
from teacher.labelling import first_question
from teacher.prompts import broad_question, load_prompt

CONTEXT = 1024


@pytest.fixture(scope="module")
def folder() -> str:
    small = TeacherConfig()
    return model_folder(small, find_teacher(small).fingerprint, LakeConfig().cache_dir)


@pytest.fixture(scope="module")
def server(folder: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server that is stopped with the module."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        "--served-model-name",
        "small",
        "--dtype",
        "float32",
        "--enforce-eager",
        "--block-size",
        "32",
        "--max-model-len",
        str(CONTEXT),
        "--max-num-seqs",
        "16",
    ]
    log = tmp_path_factory.mktemp("server") / "log"
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        folder,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        *options,
        "--enable-prompt-tokens-details",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        _wait(process, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its workers too, where it did not end them
        process.wait()


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + 400
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()[-3000:]
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.5)
    raise AssertionError(f"no server: {log.read_text()[-3000:]}")


def settings(address: str, **more: Any) -> TeacherConfig:
    return TeacherConfig.model_validate(
        {"engine": "openai", "model": "small", "max_reject_share": 1, "openai": {"base_url": address, **more.pop("openai", {})}, **more}
    )


@pytest.mark.timeout(900)
def test_a_server_of_vllm_labels_and_reads_as_many_tokens_as_the_tokenizer_counts(lake: LakeConfig, server: str, folder: str) -> None:
    write_units(lake)
    config = settings(server, prompt="small")
    teacher = find_teacher(config)
    label_units(lake, config)
    labels, rejects = answers(lake)
    assert len(labels) + len(rejects) == sum(map(len, TEXTS.values()))
    assert len(labels) >= 5
    words = " ".join(f"{label['specific']} {label['broad']}" for label in labels).lower()
    assert sum(topic in words for topic in ("train", "sourdough", "bike", "brake", "loan", "cat", "kernel", "wifi")) >= 4
    assert {row["teacher_version"] for row in [*labels, *rejects]} == {teacher.version}
    tokens, prompt = load_tokens(folder, None), load_prompt("small")
    units = {row["unit_hash"]: row for texts in TEXTS.values() for row in [unit_row("x", "x", text) for text in texts]}
    for label in labels:
        questions = [first_question(tokens, prompt, units[label["unit_hash"]]), broad_question(prompt, label["specific"])]
        counted = sum(len(tokens.of(question)) for question in questions if question)
        assert label["prompt_tokens"] == pytest.approx(counted, abs=8), "the tokenizer counts what the server reads"


@pytest.mark.timeout(900)
def test_a_chat_model_is_held_to_the_schema_and_what_is_too_long_is_a_reject_unless_a_tokenizer_cuts_it(lake: LakeConfig, server: str, folder: str) -> None:
    write_units(lake)
    write_units(lake, [unit_row("reddit:t1_long", "eve", "我昨天去看了老桥" * 500)])
    label_units(lake, settings(server))
    long = {row["unit_hash"]: row["reason"] for row in answers(lake)[1]}[unit_row("x", "x", "我昨天去看了老桥" * 500)["unit_hash"]]
    assert long == "prompt: too many tokens", "so it is for who does not know the tokenizer"
    assert not {row["reason"] for row in answers(lake)[1]} & {"answer: no JSON of two labels", "prompt: refused by the endpoint"}
    label_units(lake, settings(server, max_model_tokens=CONTEXT, openai={"tokenizer": folder}))
    versions = {row["teacher_version"] for row in written(lake, LABELS)}
    assert len(versions) == 2
    reasons = [row["reason"] for row in answers(lake)[1] if row["unit_hash"] == unit_row("x", "x", "我昨天去看了老桥" * 500)["unit_hash"]]
    assert reasons.count("prompt: too many tokens") == 1


@pytest.mark.timeout(900)
def test_a_model_that_is_not_served_is_one_sentence(lake: LakeConfig, server: str) -> None:
    write_units(lake)
    with pytest.raises(TeacherError, match="has no model 'other'"):
        label_units(lake, settings(server, model="other"))


@pytest.mark.timeout(900)
def test_a_server_of_vllm_tells_how_likely_words_and_answers_are(server: str, folder: str) -> None:
    config = settings(server)
    engine = OpenAiEngine("small", config.openai, None)
    question = "The capital of France is"
    chances, refused = engine.choices([question, "Paris " * 5000], ["Paris", "the"])
    assert refused is None, "it is too long"
    assert chances is not None
    assert chances[0] > chances[1]
    paris, both, long = engine.likelihoods([(question, " Paris"), (question, " Paris bread"), ("Paris " * 5000, "x")])
    (second,) = engine.likelihoods([(f"{question} Paris", " bread")])
    assert long is None
    assert paris == pytest.approx(chances[0], abs=0.05)
    assert both == pytest.approx((paris + (second or 0)) / 2, abs=0.01)
    (of_chat,) = engine.choices([[{"role": "user", "content": "Is Paris in France? Answer Yes or No."}]], ["Yes", "No"])
    assert of_chat is not None
    assert len(of_chat) == 2
    assert max(of_chat) < 0
