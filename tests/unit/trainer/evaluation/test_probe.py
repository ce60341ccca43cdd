"""The general probe: what it holds, and what it says of an encoder."""

import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from lake.encoder import Encoder
from trainer.config import TrainingConfig
from trainer.evaluation import probe
from trainer.evaluation.probe import Pair, general_pairs, probe_scores
from trainer.student import base_encoder

ROOT = Path(__file__).parents[4]


def encoder(version: str, vectors: dict[str, list[float]]) -> Encoder:
    """An encoder of known vectors."""
    return SimpleNamespace(version=version, encode_texts=lambda texts, side: np.array([vectors[text] for text in texts]))  # type: ignore[return-value]


def test_pairs_are_distinct_and_of_several_languages() -> None:
    pairs = general_pairs()
    assert len(pairs) >= 60
    assert len({pair.language for pair in pairs}) >= 8
    assert len({words for pair in pairs for words in (pair.text, pair.title)}) == 2 * len(pairs)
    assert all(words == words.strip() and len(words) > 4 for pair in pairs for words in (pair.text, pair.title))


def test_the_pairs_are_in_the_wheel(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("kindred-*.whl")
    with zipfile.ZipFile(wheel) as built:
        assert built.read("trainer/evaluation/probe.tsv") == (ROOT / "trainer" / "evaluation" / "probe.tsv").read_bytes()


def test_scores_are_those_worked_out_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "general_pairs", lambda: [Pair("en", "text a", "title a"), Pair("en", "text b", "title b")])
    base = encoder("base", {"text a": [1, 0], "title a": [1, 0], "text b": [0, 1], "title b": [0, 1]})
    tuned = encoder("tuned", {"text a": [1, 0], "title a": [0, 1], "text b": [0, 1], "title b": [0.6, 0.8]})
    found = probe_scores(tuned, base)
    assert (found.probe_recall_at_1_base, found.probe_mrr_base) == (1, 1)
    assert (found.probe_recall_at_1_tuned, found.probe_mrr_tuned) == (0, 0.5)  # title b is nearer to text a, title a to text b
    assert found.distance_to_base == pytest.approx(1 - (1 + 0 + 1 + 0.8) / 4)
    assert found.metrics()["distance_to_base"] == found.distance_to_base


def test_a_base_is_encoded_once_and_is_no_distance_from_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    base = base_encoder(TrainingConfig(max_tokens=64), "cpu")
    calls, encode_texts = [], base.encode_texts
    monkeypatch.setattr(base, "encode_texts", lambda *arguments: calls.append(arguments) or encode_texts(*arguments))
    found = probe_scores(base, base)
    assert len(calls) == 2
    assert found.distance_to_base == 0
    assert 0.5 < found.probe_mrr_tuned == found.probe_mrr_base < 1
