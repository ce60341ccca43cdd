"""What an evaluation costs: memory and CPU of `item_findings` on an invented world of any size, with two encoders that are tables of random vectors.

The encoding itself is left out (it is a model's, not the evaluation's); vectors, scores, wins and intervals are what the job makes of them.

    python -m benchmarks.evaluate [--items 1000000] [--queries 10000] [--dimension 384] [--training 10000]
"""

import argparse
import resource
import time
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from lake.encoder import Encoder, EncoderCard
from lake.examples import Kind, Side
from lake.rendering import RENDERING_VERSION
from trainer.config import EvaluationConfig
from trainer.evaluation.comparison import item_findings, read_queries
from trainer.evaluation.questions import SECONDS_OF_A_COMMUNITY, FutureLabels, LevelAnswers, Questions

QUERIES_OF_A_PERSON, LABELS_OF_A_QUERY, BROAD_ITEMS, COMMUNITIES, YEARS = 4, 20, 1000, 200, 5
WORDS, WORDS_OF_A_LABEL, WORDS_OF_A_HISTORY = 100_000, 5, 700
LABELS_OF_A_PERSON, UNITS = 50, 200


class RandomVectors(Encoder):
    """In the place of an encoder: other vectors for each version, and no model."""

    def __init__(self, version: int, dimension: int) -> None:
        self.version, self.numbers, self.random = str(version), dimension, np.random.default_rng(version)
        self.card = EncoderCard(
            base_model="none", rendering_version=RENDERING_VERSION, max_tokens=1024, temperature=0.1
        )  # so that rows with popularity are made

    @property
    def dimension(self) -> int:
        """Length D of a vector."""
        return self.numbers

    def encode_texts(self, texts: Sequence[str], side: Side) -> np.ndarray:
        """Vectors (N, D) of unit length."""
        vectors = self.random.standard_normal((len(texts), self.dimension), np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def encode_history_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors (N, D) of unit length."""
        return self.encode_texts(texts, "query")

    def history_text(self, history: Sequence[Mapping[str, Any]]) -> tuple[str, int]:
        """So many words as a history of 1,024 tokens has, and all its units."""
        return " ".join(invented_words(self.random, WORDS_OF_A_HISTORY)), len(history)


def invented_words(random: np.random.Generator, count: int) -> list[str]:
    """Words as frequent as words are: each by one over its rank (Zipf's law)."""
    return [f"w{rank}" for rank in (WORDS ** random.random(count)).astype(int)]


def invented_training(people: int, items: int, seed: int = 1) -> list[np.ndarray]:
    """Labels of training people in time."""
    random = np.random.default_rng(seed)
    return [random.integers(0, items, LABELS_OF_A_PERSON) for _ in range(people)]


def invented(queries: int, items: int, seed: int = 0) -> Questions:
    """People with four cuts of twenty labels each, spread over communities and years; the last fifth of the cuts is the future period."""
    random = np.random.default_rng(seed)

    def answers(count: int) -> LevelAnswers:
        labels = queries * LABELS_OF_A_QUERY
        place = random.integers(0, COMMUNITIES, labels) * SECONDS_OF_A_COMMUNITY + random.integers(0, YEARS * 365 * 86_400, labels)
        futures = FutureLabels(
            np.repeat(np.arange(queries), LABELS_OF_A_QUERY), random.integers(0, count, labels), place, random.random(labels) < 0.5
        )  # fmt: skip
        pasts = [random.integers(0, count, LABELS_OF_A_PERSON) for _ in range(queries)]
        times = [np.sort(random.uniform(0, YEARS * 365 * 86_400, LABELS_OF_A_PERSON)) for _ in range(queries)]
        words = invented_words(random, count * WORDS_OF_A_LABEL)
        texts = [" ".join(words[start : start + WORDS_OF_A_LABEL]) for start in range(0, len(words), WORDS_OF_A_LABEL)]
        return LevelAnswers([f"{number:064}" for number in range(count)], texts, pasts, times, futures)

    person = np.arange(queries) // QUERIES_OF_A_PERSON
    periods = np.where(np.arange(queries) % 5 == 4, "future", "past").astype(object)
    histories: list[Sequence[Mapping[str, Any]]] = [[{}] * length for length in random.integers(1, UNITS, queries)]
    levels: dict[Kind, LevelAnswers] = {"specific": answers(items), "broad": answers(BROAD_ITEMS)}
    return Questions([f"person {number}" for number in range(person.max() + 1)], person, histories, periods, levels)


def main() -> None:
    """Print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("items", 1_000_000), ("queries", 10_000), ("dimension", 384), ("training", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    sizes = parser.parse_args()
    questions = invented(sizes.queries, sizes.items)
    training: dict[Kind, list[np.ndarray]] = {
        "specific": invented_training(sizes.training, sizes.items), "broad": invented_training(sizes.training, BROAD_ITEMS)
    }  # fmt: skip
    start = SimpleNamespace(cpu=time.process_time(), peak=_peak_bytes())
    tuned, base = RandomVectors(1, sizes.dimension), RandomVectors(2, sizes.dimension)
    (read,) = read_queries(tuned, base, questions)
    scores = item_findings(tuned, base, questions, read, training, EvaluationConfig(shown_people=0)).scores
    found = next(score for score in scores if (score.scorer, score.metric) == ("tuned", "personal_auc"))
    print(
        f"{sizes.queries:,} queries of {questions.people:,} people, {sizes.items:,} items: {time.process_time() - start.cpu:,.0f} CPU seconds, "
        f"peak {_peak_bytes() / 2**30:.2f} GiB ({start.peak / 2**30:.2f} before); personal AUC of chance {found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"
    )


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
