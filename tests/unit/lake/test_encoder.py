"""Which units of a history the encoder reads: the newest that fit, oldest first."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from lake.encoder import EncoderCard, encoder_version, history_text


def card(max_tokens: int) -> EncoderCard:
    return EncoderCard(base_model="m", rendering_version="1", max_tokens=max_tokens, prompts={"query": "about: "})


def unit(text: str) -> dict[str, Any]:
    return {"platform": "p", "action": "comment", "community": "c", "title": None, "text": text, "context": []}


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize(("max_tokens", "kept"), [(6, 1), (9, 2), (100, 3), (1, 1)])
def test_newest_units_fill_the_budget_and_at_least_one_is_kept(max_tokens: int, kept: int) -> None:
    history = [unit("one"), unit("two"), unit("three")]  # three words each with "c |"; 2 special tokens and 1 word of prompt besides
    text, count = history_text(history, card(max_tokens), words)
    assert count == kept
    assert text.split("\n") == [f"c | {word}" for word in ("one", "two", "three")][-kept:]


def test_long_unit_stops_the_history_there() -> None:
    text, count = history_text([unit("old"), unit("w " * 50), unit("new")], card(12), words)
    assert (text, count) == ("c | new", 1)


def test_empty_history_has_no_text() -> None:
    assert history_text([], card(10), words) == ("", 0)


def test_version_follows_the_content_alone(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(hashlib.sha256(b"weights").digest())
        (tmp_path / name / "README.md").write_text(name)
    assert encoder_version(tmp_path / "a") == encoder_version(tmp_path / "b")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "model.safetensors").write_bytes(b"other")
    assert encoder_version(tmp_path / "c") != encoder_version(tmp_path / "a")
