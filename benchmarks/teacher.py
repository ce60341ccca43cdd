"""What our label job costs over `LLM.generate` on the same prompts: reading units, writing questions, judging answers, committing, batch by batch.

    python -m benchmarks.teacher --contents 256 --batch-units 64 256

Both sides use one engine, the small model with the prompt 'small' on a CPU. The raw side has all its prompts in memory and asks them in two calls, specific labels and then the distinct broad questions, with
no batches, no cache emptied in between, and nothing written. The job starts with an engine that is warm and ends with the last commit. CPU seconds of this process, in which vLLM runs too, as other work on the
machine leaves them alone; each repeat runs the raw side and then every batch size.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from lake import arrow_tables
from lake.config import LakeConfig
from lake.schema import rows_table
from lake.units import UNITS
from pipeline.archive_generator import OPENERS, REMARKS, Archive
from teacher.config import TeacherConfig
from teacher.engines.start import start_engine
from teacher.engines.vllm_engine import VllmEngine
from teacher.identity import Teacher, find_teacher
from teacher.jobs.label import label_units
from teacher.labelling import first_question
from teacher.prompts import broad_question


def main(argv: Sequence[str] | None = None) -> None:
    """Print CPU seconds of both sides, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contents", type=int, default=256)
    parser.add_argument("--batch-units", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--repeats", type=int, default=3)
    values = parser.parse_args(argv)
    units, config = made_units(values.contents), TeacherConfig(max_reject_share=1)
    teacher, cache = find_teacher(config), LakeConfig()
    engine = start_engine(cache, config, teacher)
    assert isinstance(engine, VllmEngine)
    raw: list[float] = []
    jobs: dict[int, list[float]] = {size: [] for size in values.batch_units}
    for repeat in range(values.repeats):
        raw.append(cpu_seconds(lambda: ask_raw(engine, teacher, units)))
        for size, seconds in jobs.items():
            seconds.append(job_seconds(engine, config.model_copy(update={"batch_units": size}), units))
        print(f"repeat {repeat + 1}: raw {raw[-1]:.1f}, " + ", ".join(f"job of {size} {seconds[-1]:.1f}" for size, seconds in jobs.items()), flush=True)
    for size, seconds in jobs.items():
        ratios = [job / alone for job, alone in zip(seconds, raw, strict=True)]
        print(
            f"{values.contents} contents, batches of {size}: {statistics.median(ratios):.3f} of the raw side's CPU (repeats {', '.join(f'{ratio:.3f}' for ratio in ratios)})"
        )


def made_units(count: int) -> list[dict[str, Any]]:
    """Units of different words, as rows of `units`, out of the demo archive's phrases."""
    random, subjects = Random(0), [subject for names in Archive(1, 1, 1, 0).subjects.values() for subject in names]
    texts = dict.fromkeys(
        f"{random.choice(OPENERS).format(random.choice(subjects))} {random.choice(REMARKS)} {random.choice(subjects)}" for _ in range(4 * count)
    )
    return [
        {
            "unit_id": f"made:{number}", "user_id": f"user-{number % 20}", "action": "comment", "community": "made", "created_at": datetime(2023, 1, 1, tzinfo=UTC), "title": None,
            "text": text, "context": [], "root_state": "missing", "chain_state": "none", "thread_id": None, "parent_unit_id": None, "session_id": None, "url": None, "language": None,
            "attributes": {}, "source_text": None, "unit_hash": sha256(text.encode()).hexdigest(), "duplicate_group": None, "platform": "made", "thread_group": "0",
        }
        for number, text in enumerate(list(texts)[:count])
    ]  # fmt: skip


def ask_raw(engine: VllmEngine, teacher: Teacher, units: Sequence[dict[str, Any]]) -> None:
    """Both questions of each unit by `LLM.generate` alone."""
    from vllm import SamplingParams

    llm, prompt = engine._llm, teacher.prompt
    llm.reset_prefix_cache()
    specific, broad = (SamplingParams(temperature=0, max_tokens=tokens, stop=["\n"]) for tokens in (prompt.specific_tokens, prompt.broad_tokens))
    questions = [str(first_question(engine, prompt, unit)) for unit in units]
    answers = llm.generate(questions, specific, use_tqdm=False)
    llm.generate(list(dict.fromkeys(broad_question(prompt, answer.outputs[0].text) for answer in answers)), broad, use_tqdm=False)


def job_seconds(engine: VllmEngine, config: TeacherConfig, units: Sequence[dict[str, Any]]) -> float:
    """CPU seconds of the label job on a lake of its own."""
    with tempfile.TemporaryDirectory() as folder:
        lake = LakeConfig(path=str(Path(folder) / "lake"))
        arrow_tables.append(lake, UNITS, rows_table(UNITS, list(units)))
        return cpu_seconds(lambda: label_units(lake, config, lambda *_: engine))


def cpu_seconds(work: Callable[[], None]) -> float:
    """CPU seconds of this process, all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
