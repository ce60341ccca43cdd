"""What it costs to make batches out of a table of a million people with 512 units each, beside the step that they are made for.

    python -m benchmarks.trainer_stream [--people 1000000] [--steps 12]

People are made up: a file of some hundred people, all with 512 units, stands in the table under as many names as make a million (hard links of one file, so
that the disk holds it once; reading, planning and memory are those of the whole table). Printed are the peak memory of a process that plans and
streams, without a model, and the CPU seconds of a person's share of a batch (reading, cutting, drawing, rendering to the token budget) beside those of the forward
and backward pass of the same histories through MiniLM, one thread.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cpu import cost_of
from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES
from lake.schema import rows_table
from lake.table_files import TableFiles, WrittenFile
from trainer.config import Phase, TrainingConfig
from trainer.training.cuts_table import read_cuts
from trainer.training.stream import ExampleStream

PEOPLE_IN_FILE, UNITS = 200, 512
START = datetime(2015, 1, 1, tzinfo=UTC)
CONFIG = TrainingConfig(phases=[Phase(epochs={"titles": 1})], people_per_batch=32, max_tokens=1024)


def write_people(lake: LakeConfig, people: int) -> int:
    """A table of so many people, as the same file again and again; the bytes of its row groups in memory."""
    words = np.array([f"{first}{second}" for first in ("ka", "lo", "mi", "tre", "nu") for second in ("dor", "len", "sim", "var", "quo", "bet", "han")])
    generator = np.random.default_rng(5)
    files = TableFiles(lake.model_copy(update={"write_buffer_mb": 16}), EXAMPLES, "people", name_is_unique=True)
    arrow_tables.made_anew(lake, EXAMPLES)
    for first in range(0, PEOPLE_IN_FILE, 20):
        files.write(rows_table(EXAMPLES, [_person(first + number, words, generator) for number in range(20)]))
    (written,) = files.finish()
    table = Path(lake.path) / "examples"
    added = [written]
    for copy in range(1, people // PEOPLE_IN_FILE):
        path = written.path.replace("people-", f"people-{copy:06}-")
        os.link(table / written.path, table / path)
        added.append(WrittenFile(path, written.size, written.partition_values, written.rows, written.stats))
    arrow_tables.replace_by_files(lake, EXAMPLES, added)
    return written.size


def _person(number: int, words: np.ndarray, generator: np.random.Generator) -> dict[str, Any]:
    """A person of 512 units of some 25 words, each in a thread with a title, in one place of fifty, and four cuts."""
    place_name = f"place{number % 50}"
    texts = [" ".join(each) for each in generator.choice(words, (UNITS, 25))]
    units = [
        {
            "unit_id": f"reddit:t1_{number:06}{place:04}", "unit_hash": f"{number:032}{place:032}", "duplicate_group": None, "created_at": START + timedelta(hours=place * 7),
            "platform": "reddit", "thread_id": f"reddit:t3_{number:06}{place:04}", "action": "comment", "community": place_name, "title": None, "text": text,
            "context": [{"role": "root", "unit_id": None, "speaker": "other-1", "speaker_id": None, "title": text[:60], "text": text[:120], "created_at": None}],
            "starts_session": False,
        }
        for place, text in enumerate(texts)
    ]  # fmt: skip
    cuts = [
        {
            "cut_at": units[length - 1]["created_at"], "history_length": length, "community": place_name, "positives": [],
            "entered": [*range(length, length + 20)], "hard_negatives": [], "period": "past",
            "labelled": 0, "acted_on": [],
        }
        for length in (100, 200, 300, 400)
    ]  # fmt: skip
    return {
        "person_id": f"{number:032}", "history": units, "labelled": [], "cuts": cuts, "did": sorted(generator.integers(0, 2**60, UNITS).tolist()), "communities": [place_name],
        "label_set": [], "split": "train",
    }  # fmt: skip


def stream_steps(lake: LakeConfig, steps: int) -> None:
    """Plan and make batches in this process, and print what that took."""
    began = time.process_time()
    stream = ExampleStream(lake, CONFIG, read_cuts(lake, arrow_tables.open_table(lake, EXAMPLES).version()))
    planned = time.process_time() - began
    batches = stream._batches({})
    next(batches)
    first = time.process_time() - began - planned
    began = time.process_time()
    made = [next(batches)[0] for _ in range(steps)]
    people = sum(len(batch.histories) for batch in made)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{len(stream.cuts.person)} {stream.steps} {planned} {first} {(time.process_time() - began) / people} {peak}")


def step_seconds(lake: LakeConfig, steps: int) -> tuple[float, float]:
    """CPU seconds of a person in a step: rendering the history to its token budget, and the forward and backward pass."""
    import torch
    from accelerate import Accelerator

    from trainer.student import base_encoder
    from trainer.training.towers import embed

    torch.set_num_threads(1)
    encoder, accelerator = base_encoder(CONFIG, "cpu"), Accelerator(cpu=True)
    stream = ExampleStream(lake, CONFIG, read_cuts(lake, arrow_tables.open_table(lake, EXAMPLES).version()))
    batch = next(stream._batches({}))[0]
    histories = batch.histories[:steps]
    began = time.process_time()
    texts = [encoder.history_text(history)[0] for history in histories]
    rendered = time.process_time()
    for text in texts:
        embed(encoder.model, [text], accelerator).sum().backward()
    return (rendered - began) / len(histories), (time.process_time() - rendered) / len(histories)


def main() -> None:
    """Write the table, stream from it in a process of its own, and set it beside a step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--stream-only", metavar="LAKE", help=argparse.SUPPRESS)
    values = parser.parse_args()
    if values.stream_only:
        stream_steps(LakeConfig(path=values.stream_only), values.steps)
        return
    with tempfile.TemporaryDirectory() as folder:
        lake = LakeConfig(path=folder)
        size = write_people(lake, values.people)
        program = [sys.executable, "-m", "benchmarks.trainer_stream", "--steps", str(values.steps), "--stream-only", folder]
        imports = cost_of([sys.executable, "-c", "import benchmarks.trainer_stream"])
        output = _output_of(program)
        few = LakeConfig(path=f"{folder}/few")
        write_people(few, PEOPLE_IN_FILE)
        rendering, passes = step_seconds(few, 6)
    cuts, steps, planned, first, making, peak = (float(each) for each in output.split())
    print(f"{values.people:,} people of {UNITS} units ({size / PEOPLE_IN_FILE / 1000:.0f} kB each in files), {cuts:,.0f} cuts, {steps:,.0f} steps")
    print(f"plan {planned:.1f} CPU s, first window {first:.1f} CPU s; peak memory {peak / 2**30:.2f} GiB ({imports.peak_bytes / 2**30:.2f} GiB of it imports)")
    print(
        f"a person in a batch: {1000 * making:.1f} ms to read, cut and draw, {1000 * rendering:.1f} ms to render; MiniLM at {CONFIG.max_tokens} tokens: {passes:.2f} s"
    )
    print(f"making a batch costs {100 * (making + rendering) / passes:.1f} % of the step")


def _output_of(program: list[str]) -> str:
    import subprocess

    return subprocess.run(program, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
