"""Our trainer beside that of sentence-transformers: tokens a CPU second and peak memory, the same model, pairs, parts of processes and arithmetic.

    python -m benchmarks.trainer [--settings NAME ...] [--tokens-at-once N ...] [--steps 3] [--rounds 2]

Theirs is `SentenceTransformerTrainer` as its documentation has it, with `CachedMultipleNegativesRankingLoss` (scale 20, `mini_batch_num_tokens`, and
`gather_across_devices` with several processes, which torchrun starts) and, for who has the memory, `MultipleNegativesRankingLoss`, which goes through the model once with
all of a step. Theirs needs `datasets`, of the extra `dev`. Both: MiniLM, float32, sdpa, fused AdamW at 3e-5 without decay or schedule, gradients clipped to 1, dropout off (theirs by
setting its probability to 0), one thread a process, pairs in the order in which they were made, the same ones on the same process. `--tokens-at-once` is our
`tokens_per_forward` and their `mini_batch_num_tokens`, which does not count padding. The losses of all steps are printed: where they are the same, both did the same.

*Tokens* are those of a step's pairs, a history and an answer each, as a tokenizer counts them: padding does not count. No text stands
in two pairs, so that nothing is gained here by encoding a text once, nor by who encodes which.
*CPU seconds* are those of each step's slowest process, its children included, summed over steps: the critical path. A process that waits in gloo sleeps (0.0 CPU s of 2 s), so
that neither its own seconds nor the sum of all would say that it waited; the path is what a machine of its own for each process would need. The first step
of a run is not measured, nor are reading and drawing; histories are rendered within our steps, and for theirs ahead, unmeasured.
*Peak memory* is that of the biggest process. Each figure is of `rounds` runs, in turns, each in processes of its own.
"""

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from lake.encoder import Encoder
from lake.examples import KINDS, answer_key
from trainer.config import TrainingConfig
from trainer.training.batches import TrainingBatch, Unit
from trainer.training.masks import Numbers, answer_numbers, keys_of

TRAINERS = ("kindred", "cached", "one pass")
"""Ours, and theirs with either loss."""
WORDS = ["garden", "tomato", "race", "engine", "bread", "oven", "moon", "orbit", "water", "stone", "light", "paper", "river", "music", "window", "winter"]
"""Of one token each."""
WORDS_PER_UNIT = 30
LEARNING_RATE, TEMPERATURE = 3e-5, 0.05


@dataclass(frozen=True)
class Lengths:
    """Tokens of texts: evenly between `least` and `most`, or, with a `spread` of the logarithm, lognormal about `median` and cut to them."""

    least: int
    most: int
    median: int = 0
    spread: float = 0.0

    def drawn(self, count: int, generator: np.random.Generator) -> Numbers:
        """Of so many texts (T,)."""
        if not self.spread:
            return generator.integers(self.least, self.most + 1, count)
        lengths = self.median * np.exp(self.spread * generator.standard_normal(count))
        return lengths.clip(self.least, self.most).astype(np.int64)


@dataclass(frozen=True)
class Setting:
    """What a step is made of: pairs of a history and an answer, over all processes."""

    pairs: int
    history: Lengths
    answer: Lengths
    processes: int = 1

    @property
    def max_tokens(self) -> int:
        """Of the longest text."""
        return max(self.history.most, self.answer.most)


SETTINGS = {
    "short": Setting(64, Lengths(32, 64), Lengths(32, 64)),
    "long": Setting(12, Lengths(512, 1024), Lengths(12, 12)),
    "short, skewed": Setting(32, Lengths(8, 256, 32, 0.8), Lengths(8, 256, 32, 0.8), processes=2),
    "long, skewed": Setting(16, Lengths(16, 1024, 200, 1.0), Lengths(12, 12), processes=2),
    "tiny": Setting(6, Lengths(16, 64, 24, 1.0), Lengths(8, 12), processes=2),
}
MEASURED = [name for name in SETTINGS if name != "tiny"]


@dataclass(frozen=True)
class Person:
    """A history and the answer that is right for it."""

    history: list[Unit]
    answer: str


@dataclass
class Record:
    """What a process saw of a run: the tokens of its pairs in each step, the CPU seconds that it had used after each, the losses, its peak memory."""

    tokens: list[int]
    cpu_seconds: list[float]
    losses: list[float]
    peak_bytes: int = 0

    def mark(self) -> None:
        """A step is over."""
        self.cpu_seconds.append(sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))))


@dataclass(frozen=True)
class Cost:
    """What the steps of a run took after the first: the critical path in CPU seconds, and the biggest process."""

    tokens: int
    cpu_seconds: float
    peak_bytes: int
    losses: list[float]

    @property
    def rate(self) -> float:
        """Tokens a CPU second."""
        return self.tokens / self.cpu_seconds


def main() -> None:
    """Print a table: a row for each setting, budget, round and trainer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", nargs="+", choices=[*SETTINGS], default=MEASURED)
    parser.add_argument("--trainers", nargs="+", choices=TRAINERS, default=[*TRAINERS])
    parser.add_argument("--tokens-at-once", type=int, nargs="+", default=[8192, 2048])
    parser.add_argument("--steps", type=int, default=3, help="the first, which is not measured, among them")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--part", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        run_part(asked.trainers[0], SETTINGS[asked.settings[0]], asked.tokens_at_once[0], asked.steps, asked.part)
        return
    print(
        f"{'setting':<18}{'at once':>8}{'round':>6}  {'trainer':<10}{'tokens':>8}{'CPU s':>8}{'tokens/s':>9}{'kindred is':>11}{'peak GiB':>9}{'kindred has':>12}  losses"
    )
    for name in asked.settings:
        for tokens_at_once in asked.tokens_at_once:
            for number in range(asked.rounds):
                costs = {trainer: cost_of_run(trainer, name, tokens_at_once, asked.steps) for trainer in asked.trainers}
                _print_rows(f"{name:<18}{tokens_at_once:>8}{number + 1:>6}", costs)


def cost_of_run(trainer: str, name: str, tokens_at_once: int, steps: int) -> Cost:
    """Train in processes of their own. Raises CalledProcessError."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with tempfile.TemporaryDirectory() as folder:
        words = ["--trainers", trainer, "--settings", name, "--tokens-at-once", str(tokens_at_once), "--steps", str(steps), "--part", folder]
        command = [sys.executable, *_launch(SETTINGS[name].processes), "-m", "benchmarks.trainer", *words]
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return cost_of_records([Record(**json.loads(path.read_text())) for path in sorted(Path(folder).glob("*.json"))])


def cost_of_records(records: Sequence[Record]) -> Cost:
    """What the processes of one run saw, put together; the first one's losses are those of all."""
    seconds = np.diff([record.cpu_seconds for record in records], axis=1).max(axis=0)
    tokens = np.array([record.tokens for record in records]).sum(axis=0)[1:]
    return Cost(int(tokens.sum()), float(seconds.sum()), max(record.peak_bytes for record in records), records[0].losses)


def run_part(trainer: str, setting: Setting, tokens_at_once: int, steps: int, folder: Path) -> None:
    """Train as one of the setting's processes, and leave a record in a folder."""
    import torch

    from trainer.student import base_encoder

    torch.set_num_threads(1)
    rank, each = int(os.environ.get("RANK", 0)), setting.pairs // setting.processes
    people = [made_people(setting, step) for step in range(steps)]
    config = TrainingConfig(
        max_tokens=setting.max_tokens, precision="full", temperature=TEMPERATURE, learning_rate=LEARNING_RATE, weight_decay=0, tokens_per_forward=tokens_at_once
    )
    own, encoder = slice(rank * each, (rank + 1) * each), base_encoder(config, "cpu")
    record = Record([_tokens(encoder, of_step[own]) for of_step in people], [], [])
    (_ours if trainer == "kindred" else _theirs)(trainer, encoder, config, setting, people, own, record)
    record.peak_bytes = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
    (folder / f"{rank}.json").write_text(json.dumps(vars(record)))


def made_people(setting: Setting, step: int) -> list[Person]:
    """The people of a step, those of the first process first."""
    generator = np.random.default_rng([7, step])
    lengths = setting.history.drawn(setting.pairs, generator).tolist()
    return [Person(made_history(length, generator), made_answer(int(setting.answer.drawn(1, generator)[0]), generator)) for length in lengths]


def made_history(tokens: int, generator: np.random.Generator) -> list[Unit]:
    """Units of up to WORDS_PER_UNIT words that are rendered to so many tokens, special ones included: two a unit are its community and a mark."""
    units: list[Unit] = []
    left = tokens - 2
    while left > 2:
        count = min(WORDS_PER_UNIT, left - 2)
        units.append(made_unit(len(units), " ".join(generator.choice(WORDS, count))))
        left -= count + 2
    return units


def made_answer(tokens: int, generator: np.random.Generator) -> str:
    """Words of so many tokens, special ones included; hardly anybody else has the same."""
    return " ".join(generator.choice(WORDS, tokens - 2))


def made_unit(number: int, text: str) -> Unit:
    """A unit of a history, one a day."""
    return {
        "unit_id": str(number), "starts_session": False, "created_at": datetime(2023, 1, 1, tzinfo=UTC) + timedelta(days=number), "platform": "reddit",
        "action": "comment", "community": "talk", "title": None, "text": text, "context": [],
    }  # fmt: skip


def made_batch(people: Sequence[Person]) -> TrainingBatch:
    """What a process holds of a step; answers are titles."""
    texts = {answer_key(person.answer): person.answer for person in people}
    keys, kind = np.array(sorted(texts), np.int64), KINDS.index("title")
    positives = [answer_numbers(np.array([answer_key(person.answer)], np.int64), kind) for person in people]
    nowhere = np.zeros(len(people), np.int64)
    return TrainingBatch(
        [person.history for person in people], answer_numbers(keys, kind), [texts[key] for key in keys.tolist()], positives, [keys_of(each) for each in positives],
        nowhere, nowhere,
    )  # fmt: skip


@dataclass(frozen=True)
class MadeSteps:
    """One process's parts of all steps, at one learning rate."""

    parts: list[TrainingBatch]

    @property
    def steps(self) -> int:
        """All of them."""
        return len(self.parts)

    def learning_rate(self, step: int) -> float:
        """The same for each step."""
        return LEARNING_RATE

    def batches(self, position: dict[str, int]) -> Iterator[tuple[TrainingBatch, dict[str, int]]]:
        """From the beginning."""
        for number, part in enumerate(self.parts, 1):
            yield part, {"step": number}


def _ours(trainer: str, encoder: Encoder, config: TrainingConfig, setting: Setting, steps: Sequence[Sequence[Person]], own: slice, record: Record) -> None:
    from trainer.training.loop import make_accelerator, train

    parts = MadeSteps([made_batch(people[own]) for people in steps])
    for step in train(encoder, parts, config, make_accelerator(config)):
        record.mark()
        record.losses.append(step.loss)


def _theirs(trainer: str, encoder: Encoder, config: TrainingConfig, setting: Setting, steps: Sequence[Sequence[Person]], own: slice, record: Record) -> None:
    """Each process gets all pairs and takes its part itself, which is `own`."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer

    _turn_dropout_off(encoder)
    everybody = [person for people in steps for person in people]
    histories = [encoder.history_text(person.history)[0] for person in everybody]
    dataset = Dataset.from_dict({"anchor": histories, "positive": [person.answer for person in everybody]})
    with tempfile.TemporaryDirectory() as folder:
        SentenceTransformerTrainer(
            model=encoder.model, args=_their_arguments(folder, config, setting), train_dataset=dataset, loss=_their_loss(trainer, encoder, config, setting),
            callbacks=[_noting(record)],
        ).train()  # fmt: skip


def _their_loss(trainer: str, encoder: Encoder, config: TrainingConfig, setting: Setting) -> Any:
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss, MultipleNegativesRankingLoss

    said: dict[str, Any] = {"scale": 1 / TEMPERATURE, "gather_across_devices": setting.processes > 1}
    if trainer == "cached":
        return CachedMultipleNegativesRankingLoss(encoder.model, mini_batch_num_tokens=config.tokens_per_forward, **said)
    return MultipleNegativesRankingLoss(encoder.model, **said)


def _their_arguments(folder: str, config: TrainingConfig, setting: Setting) -> Any:
    """Their defaults, but for what both must have alike and for what they would write and report."""
    from sentence_transformers import SentenceTransformerTrainingArguments
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from torch.utils.data import SequentialSampler

    return SentenceTransformerTrainingArguments(
        output_dir=folder, num_train_epochs=1, per_device_train_batch_size=setting.pairs // setting.processes, learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant", max_grad_norm=config.max_gradient_norm, use_cpu=True, ddp_backend="gloo" if setting.processes > 1 else None,
        batch_sampler=lambda dataset, **settings: DefaultBatchSampler(SequentialSampler(dataset), **settings), logging_steps=1, save_strategy="no",
        report_to=[], disable_tqdm=True,
    )  # fmt: skip


def _noting(record: Record) -> Any:
    """What their trainer calls after each step."""
    from transformers import TrainerCallback

    class Notes(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *words: Any, **settings: Any) -> None:
            record.mark()

        def on_log(self, *words: Any, **settings: Any) -> None:
            record.losses += [settings["logs"]["loss"]] if "loss" in settings["logs"] else []

    return Notes()


def _turn_dropout_off(encoder: Encoder) -> None:
    from torch import nn

    for module in encoder.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0


def _tokens(encoder: Encoder, people: Sequence[Person]) -> int:
    """Of the pairs of these people."""
    return sum(encoder.token_count(encoder.history_text(person.history)[0]) + encoder.token_count(person.answer) for person in people)


def _launch(processes: int) -> list[str]:
    if processes == 1:
        return []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--master_addr", "127.0.0.1", "--master_port", port]


def _print_rows(facts: str, costs: dict[str, Cost]) -> None:
    ours = costs.get("kindred")
    for trainer, cost in costs.items():
        ratios = (f"{ours.rate / cost.rate:.2f} x", f"{ours.peak_bytes / cost.peak_bytes:.2f} x") if ours else ("", "")
        figures = f"{cost.tokens:>8,}{cost.cpu_seconds:>8.2f}{cost.rate:>9.0f}{ratios[0]:>11}{cost.peak_bytes / 2**30:>9.2f}{ratios[1]:>12}"
        print(f"{facts}  {trainer:<10}{figures}  {', '.join(f'{loss:.4f}' for loss in cost.losses)}", flush=True)


if __name__ == "__main__":
    main()
