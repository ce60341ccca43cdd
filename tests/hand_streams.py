"""Steps of hand-made rows of `examples`, without a table: what the loop iterates over."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lake.examples import EXAMPLES
from lake.schema import rows_table
from trainer.config import TrainingConfig
from trainer.training.batches import TrainingBatch, batch_of
from trainer.training.stream import rate_factor


def batch_of_rows(rows: Sequence[dict[str, Any]], config: TrainingConfig, seed: int = 1) -> TrainingBatch:
    """The first cut of each of these people, with labels drawn for it."""
    return batch_of(rows_table(EXAMPLES, list(rows)), range(len(rows)), [0] * len(rows), "labels", config, np.random.default_rng(seed))


def part_of(batch: TrainingBatch, queries: Sequence[int]) -> TrainingBatch:
    """Some queries of a batch, by their places, with their answers."""
    positives = [batch.positives[query] for query in queries]
    answers = np.unique(np.concatenate([np.zeros(0, np.int64), *positives]))
    texts = [batch.texts[place] for place in np.searchsorted(batch.answers, answers)]
    chosen = np.array(queries, np.int64)
    return TrainingBatch(
        [batch.histories[query] for query in queries], answers, texts, positives, [batch.done[query] for query in queries], batch.communities[chosen],
        batch.times[chosen], None if batch.grades is None else [batch.grades[query] for query in queries],
    )  # fmt: skip


@dataclass(frozen=True)
class HandStream:
    """One process's parts of steps of `people_per_batch` people each, everybody once an epoch."""

    rows: Sequence[dict[str, Any]]
    config: TrainingConfig
    epochs: int = 1
    process: int = 0
    processes: int = 1

    @property
    def steps(self) -> int:
        """All of them."""
        return self.epochs * -(-len(self.rows) // self.config.people_per_batch)

    def learning_rate(self, step: int) -> float:
        """One rise and fall."""
        return self.config.learning_rate * rate_factor(step, self.steps, self.config.warmup_share)

    def batches(self, position: dict[str, int]) -> Iterator[tuple[TrainingBatch, dict[str, int]]]:
        """From a position on."""
        size, in_epoch = self.config.people_per_batch, self.steps // self.epochs
        for step in range(position.get("step", 0), self.steps):
            first = step % in_epoch * size
            batch = batch_of_rows(self.rows[first : first + size], self.config, step)
            yield part_of(batch, range(self.process, len(batch.histories), self.processes)), {"step": step + 1}
