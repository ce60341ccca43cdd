"""What a step's texts cost in training, packed or padded: CPU seconds of forward and backward, both in one run, in turns.

python -m benchmarks.trainer_packing [--base-model NAME] [--max-tokens N ...] [--people N] [--rounds N] [--precision bf16]
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from accelerate import Accelerator

from lake.encoder import Encoder
from lake.token_batches import computed_tokens, token_batches
from trainer.config import TrainingConfig
from trainer.student import base_encoder
from trainer.training.loop import make_accelerator
from trainer.training.packing import is_packing, start_packing
from trainer.training.towers import embed, token_counts

WORDS = ["bread", "garden", "telescope", "starter", "qualifying", "roses", "nebula", "worms", "lettuce", "sprint", "dough", "moon"]
"""Of one to three tokens each."""
ANSWERS_PER_PERSON = 4


@dataclass(frozen=True)
class Skew:
    """How long histories are: their median in words, as a share of the budget in tokens, and the spread of the logarithm; longer ones are cut."""

    name: str
    median_share: float
    spread: float


SKEWS = (Skew("all full", 3.0, 0.1), Skew("half are full", 0.7, 1.0), Skew("few are long", 0.15, 1.0))


def main() -> None:
    """Print a table: three rows for each budget and skew of lengths."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-model", default="all-MiniLM-L6-v2")
    parser.add_argument("--max-tokens", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--people", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=["full", "bf16"], default="full")
    asked = parser.parse_args()
    print(f"{'tokens':>8}  {'histories':<16}{'texts':>6}{'real tokens':>13}{'way':>14}{'computed tokens':>17}{'CPU s':>8}{'of padded':>11}")
    for max_tokens in asked.max_tokens:
        config = TrainingConfig(base_model=asked.base_model, max_tokens=max_tokens, precision=asked.precision)
        for skew in SKEWS:
            _print_row(config, skew, asked.people, asked.rounds)


def step_texts(people: int, max_tokens: int, skew: Skew, generator: np.random.Generator) -> dict[int, str]:
    """A step's texts by their row: histories, then answers of two to eight words."""
    lengths = np.exp(np.log(max_tokens * skew.median_share) + skew.spread * generator.standard_normal(people)).clip(4, 2 * max_tokens)
    words = [*lengths.astype(int), *generator.integers(2, 9, people * ANSWERS_PER_PERSON)]
    return {row: " ".join(generator.choice(WORDS, count)) for row, count in enumerate(words)}


def _print_row(config: TrainingConfig, skew: Skew, people: int, rounds: int) -> None:
    accelerator = make_accelerator(config)
    padded, packed = base_encoder(config, "cpu"), base_encoder(config, "cpu")
    start_packing(packed.model)
    texts = step_texts(people, config.max_tokens, skew, np.random.default_rng(0))
    whole, quarter = config.tokens_per_forward, config.tokens_per_forward // 4
    ways = {f"padded {whole}": (padded, whole), f"padded {quarter}": (padded, quarter), f"packed {whole}": (packed, whole)}
    lengths = dict(zip(texts, token_counts(padded, [*texts.values()]).tolist(), strict=True))
    groups = {way: token_batches(lengths, tokens, is_packing(encoder.model)) for way, (encoder, tokens) in ways.items()}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for way in [*ways] * (rounds + 1):
        seconds[way].append(_cpu_seconds(partial(_step, ways[way][0], texts, groups[way], accelerator)))
    costs = {way: float(np.median(found[1:])) for way, found in seconds.items()}  # the first round warms up
    for way, batches in groups.items():
        computed = sum(computed_tokens([lengths[row] for row in rows], is_packing(ways[way][0].model)) for rows in batches)
        facts = f"{config.max_tokens:>8}  {skew.name:<16}{len(texts):>6}{sum(lengths.values()):>13,}"
        print(f"{facts}{way:>14}{computed:>17,}{costs[way]:>8.2f}{costs[way] / costs[f'padded {whole}']:>11.2f}", flush=True)


def _step(encoder: Encoder, texts: dict[int, str], groups: list[list[int]], accelerator: Accelerator) -> None:
    """Forward and backward of all texts, as the second pass of a training step does them."""
    for rows in groups:
        embed(encoder.model, [texts[row] for row in rows], accelerator).sum().backward()


def _cpu_seconds(work: Callable[[], None]) -> float:
    before = time.process_time()
    work()
    return time.process_time() - before


if __name__ == "__main__":
    main()
