"""Does an encoder still know what its base knew? A small general probe that ships with us, and the distance of its vectors to the frozen base's.

The pairs (probe.tsv: language, text, title) are written for this program: everyday matters, none of them from an archive, so that nobody's training
met them. Each text must find its title among all titles.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files

import numpy as np

from lake.encoder import Encoder
from trainer.evaluation import metrics


@dataclass(frozen=True)
class Pair:
    """A text, and a title of it in other words, in the same language (ISO 639-1)."""

    language: str
    text: str
    title: str


@dataclass(frozen=True)
class ProbeScores:
    """How well an encoder and its base find the titles; mean cosine distance (0 to 2) of the encoder's vectors of all texts and titles to the base's."""

    probe_recall_at_1_tuned: float
    probe_recall_at_1_base: float
    probe_mrr_tuned: float
    probe_mrr_base: float
    distance_to_base: float

    def metrics(self) -> dict[str, float]:
        """The numbers by name."""
        return asdict(self)


def general_pairs() -> list[Pair]:
    """The pairs that ship with this program."""
    lines = (files("trainer.evaluation") / "probe.tsv").read_text(encoding="utf-8").splitlines()
    return [Pair(*line.split("\t")) for line in lines]


def probe_scores(tuned: Encoder, base: Encoder) -> ProbeScores:
    """Scores of both on the general pairs; a base is encoded once."""
    pairs = general_pairs()
    vectors = _vectors(tuned, pairs)
    base_vectors = vectors if tuned.version == base.version else _vectors(base, pairs)
    ranks, base_ranks = _ranks(vectors), _ranks(base_vectors)
    distance = 0.0 if vectors is base_vectors else float(1 - (vectors * base_vectors).sum(axis=-1).mean())
    return ProbeScores(
        probe_recall_at_1_tuned=float(ranks.within(1).mean()),
        probe_recall_at_1_base=float(base_ranks.within(1).mean()),
        probe_mrr_tuned=float(ranks.reciprocal().mean()),
        probe_mrr_base=float(base_ranks.reciprocal().mean()),
        distance_to_base=distance,
    )


def _vectors(encoder: Encoder, pairs: Sequence[Pair]) -> np.ndarray:
    """Vectors of texts and of titles, (2, P, D)."""
    texts, titles = [pair.text for pair in pairs], [pair.title for pair in pairs]
    return np.stack([encoder.encode_texts(texts, "query"), encoder.encode_texts(titles, "specific")])


def _ranks(vectors: np.ndarray) -> metrics.Ranks:
    texts, titles = vectors
    return metrics.match_ranks(texts, titles, np.arange(len(texts)))
