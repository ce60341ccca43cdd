"""Which units of a history the encoder reads: the newest that fit, oldest first."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lake import rendering
from lake.encoder import CARD_FILE, LINES_AT_ONCE, EncoderCard, encoder_version, history_text, read_card
from lake.labels import LEVELS


def card(max_tokens: int) -> EncoderCard:
    return EncoderCard(base_model="m", rendering_version="1", max_tokens=max_tokens, prompts={"query": "about: "})


def unit(text: str) -> dict[str, Any]:
    return {"platform": "p", "action": "comment", "community": "c", "title": None, "text": text, "context": []}


SPECIAL = [-1, -1]


def words(text: str) -> np.ndarray:
    """A word is a token, and so is a line break; two special tokens come besides."""
    return np.array([*SPECIAL, *(found.start() for found in re.finditer(r"\n|[^\s]+", text))])


@pytest.mark.parametrize(("max_tokens", "kept"), [(6, 1), (9, 1), (10, 2), (13, 2), (14, 3), (100, 3), (1, 1)])
def test_newest_units_fill_the_budget_and_at_least_one_is_kept(max_tokens: int, kept: int) -> None:
    history = [unit("one"), unit("two"), unit("three")]  # three words each with "c |", and a line break between two; 2 special tokens and 1 of the prompt
    text, count = history_text(history, card(max_tokens), words)
    assert count == kept
    assert text.split("\n") == [f"c | {word}" for word in ("one", "two", "three")][-kept:]


def test_a_history_of_many_lines_is_filled_as_far_as_it_goes() -> None:
    history = [unit(f"w{number}") for number in range(10 * LINES_AT_ONCE)]
    for max_tokens in (3 + 4 * LINES_AT_ONCE - 1, 3 + 4 * LINES_AT_ONCE, 500):
        text, count = history_text(history, card(max_tokens), words)
        assert count == (max_tokens - 2) // 4
        assert len(words("about: " + text)) <= max_tokens
        assert text.endswith(f"w{len(history) - 1}")


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


def test_version_of_a_library_in_the_settings_renames_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    versions = set()
    for library in ("5.19.0", "5.20.0"):
        (folder / "config.json").write_text(json.dumps({"hidden_size": 384, "transformers_version": library}))
        (folder / "config_sentence_transformers.json").write_text(json.dumps({"__version__": {"pytorch": library}, "prompts": {}}))
        versions.add(encoder_version(folder))
    assert len(versions) == 1
    (folder / "config.json").write_text(json.dumps({"hidden_size": 385, "transformers_version": library}))
    assert encoder_version(folder) not in versions


def test_what_changes_no_vector_renames_nothing(tmp_path: Path) -> None:
    card, versions = EncoderCard(base_model="m", rendering_version=rendering.RENDERING_VERSION, max_tokens=64, temperature=0.1), set()
    for weights in ({}, {"specific": 0.1}, {"specific": 0.2, "broad": 0.0}):
        fitted = card.model_copy(update={"popularity_weights": weights, "popularity_weights_of_base": weights})
        (tmp_path / CARD_FILE).write_text(fitted.model_dump_json())
        versions.add(encoder_version(tmp_path))
        assert read_card(tmp_path) == fitted
        assert [fitted.popularity_weight(level) for level in ("specific", "broad", "catalogue", None)] == [
            *(weights.get(level, 0.1) for level in LEVELS),
            0.1,
            0.1,
        ]
    assert len(versions) == 1
    (tmp_path / CARD_FILE).write_text(card.model_copy(update={"max_tokens": 65}).model_dump_json())
    assert encoder_version(tmp_path) not in versions


def test_version_reads_through_links_and_past_what_is_no_file(tmp_path: Path) -> None:
    pool, folder = tmp_path / "pool", tmp_path / "encoder"
    pool.mkdir()
    folder.mkdir()
    (pool / "model.safetensors").write_bytes(b"weights")
    (folder / "0_Transformer").symlink_to(pool)
    version = encoder_version(folder)
    (folder / "gone.json").symlink_to(tmp_path / "nowhere")
    (folder / "runs.json").mkdir()
    assert encoder_version(folder) == version
    (pool / "model.safetensors").write_bytes(b"other weights")
    assert encoder_version(folder) != version


def test_titles_and_own_items_are_asked_like_specific_labels_where_a_card_is_older_than_they() -> None:
    older = EncoderCard(base_model="m", rendering_version="1", max_tokens=9, prompts={"query": "q: ", "specific": "s: ", "broad": "b: "})
    assert [older.prompt(side) for side in ("query", "specific", "broad", "title", "catalogue")] == ["q: ", "s: ", "b: ", "s: ", "s: "]
    newer = EncoderCard(base_model="m", rendering_version="1", max_tokens=9, prompts={"specific": "s: ", "title": "t: ", "catalogue": ""})
    assert [newer.prompt(side) for side in ("query", "specific", "broad", "title", "catalogue")] == ["", "s: ", "", "t: ", ""]


def labelled(text: str) -> dict[str, Any]:
    return unit(text) | {"label": {"specific": f"about {text}", "broad": "b"}}


@pytest.mark.parametrize(("max_tokens", "kept"), [(4, 1), (8, 1), (9, 2), (13, 2), (14, 3), (100, 3)])
def test_labels_stand_newest_first_and_the_newest_fill_the_budget(max_tokens: int, kept: int) -> None:
    history = [
        labelled("one"),
        unit("none"),
        labelled("two"),
        labelled("three"),
        unit("none"),
    ]  # 4 words each and a break between two; 2 special and 1 of the prompt
    text, count = history_text(history, card(max_tokens + 3).model_copy(update={"query_format": "labels"}), words)
    assert (text.split("\n"), count) == ([f"about {word} / b" for word in ("three", "two", "one")][:kept], kept)


@pytest.mark.parametrize("query_format", ["units", "labels", "mixed", "raw"])
@pytest.mark.parametrize("max_tokens", [10, 57, 300, 5000])
def test_in_every_format_as_many_lines_as_fit_are_kept_over_many_rounds_of_rendering(query_format: rendering.QueryFormat, max_tokens: int) -> None:
    history = [labelled(f"w{number} " * (number % 4 + 1)) | ({"source_text": "raw " * (number % 3)}) for number in range(6 * LINES_AT_ONCE)]
    asked = card(max_tokens).model_copy(update={"query_format": query_format})
    text, count = history_text(history, asked, words)
    lines = [rendering.history_line(each, query_format) or "" for each in history]
    lines = lines[::-1] if query_format == "labels" else lines
    kept = {length: "\n".join(lines[:length] if query_format == "labels" else lines[len(lines) - length :]) for length in (count, count + 1)}
    assert text == kept[count]
    assert len(words(f"about: {text}")) <= max_tokens or count == 1
    assert count == len(lines) or len(words(f"about: {kept[count + 1]}")) > max_tokens


def test_a_history_without_a_label_has_no_text_where_labels_are_read() -> None:
    assert history_text([unit("one")], card(100).model_copy(update={"query_format": "labels"}), words) == ("", 0)
