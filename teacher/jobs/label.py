"""Entry point of `kindred teacher label`."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from tqdm import tqdm

from conf.arguments import JobArguments
from conf.errors import TeacherError
from conf.logs import NOTICE, Pace
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import RunRecord, job_run
from lake.labels import LABELS
from lake.units import IDENTITIES, UNITS
from teacher import arguments as teacher_arguments
from teacher.config import TeacherConfig
from teacher.engine import Engine, VllmEngine
from teacher.identity import Teacher, find_teacher, model_folder
from teacher.labelling import ask, label_rows
from teacher.selection import ContentBatch, contents_of, cut_batches, one_unit_a_content, pending_batches, whole_people, with_persons

logger = logging.getLogger(__name__)
JOB = "teacher label"
BATCHES_A_READ = 256
SHOWN_COLUMNS = ("unit_id", "platform", "action", "community", "title", "text", "context")

StartEngine = Callable[[LakeConfig, TeacherConfig, Teacher], Engine]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(teacher_arguments.label(argv))


def run_job(arguments: JobArguments) -> None:
    """Label what is not labelled yet."""
    label_units(arguments.section("lake", LakeConfig), arguments.section("teacher", TeacherConfig))


def start_vllm(lake: LakeConfig, config: TeacherConfig, teacher: Teacher) -> Engine:
    """vLLM with the teacher's model. Raises TeacherError."""
    folder = model_folder(config, teacher.fingerprint, lake.cache_dir)
    return VllmEngine(folder, config.max_model_tokens, config.dtype, config.kv_cache_gigabytes, config.engine)


def label_units(lake: LakeConfig, config: TeacherConfig, start_engine: StartEngine = start_vllm) -> None:
    """Append what comes of every selected content that this teacher has not answered yet.

    A kill loses the batch at hand and no other. Raises TeacherError where the model cannot be loaded, or too many of the selected contents came to nothing, whichever run asked.
    """
    teacher = find_teacher(config)
    with job_run(lake, JOB, {"teacher": config}) as record:
        record.read(UNITS, arrow_tables.open_table(lake, UNITS).version())
        record.read(IDENTITIES, arrow_tables.table_version(lake, IDENTITIES))
        shown = _selected_contents(lake, config, record)
        answered = _answered(lake, teacher.version)
        pending = pending_batches(cut_batches(shown, config.batch_units, teacher.version), answered)
        left = sum(len(batch.contents) for batch in pending)
        record.dropped["labelled before"] += len(shown) - left
        reasons = Counter(answered[content] for content in shown if content in answered)
        if pending:
            logger.info("teacher %s: %d contents in %d batches, %s, prompt %s", teacher.version, left, len(pending), teacher.model, teacher.prompt.name)
            reasons += _label_batches(lake, start_engine(lake, config, teacher), teacher, pending, shown, record)
        record.wrote(LABELS, arrow_tables.create_table(lake, LABELS).version())
        _check_rejects(reasons, config.max_reject_share)


def _selected_contents(lake: LakeConfig, config: TeacherConfig, record: RunRecord) -> dict[str, str]:
    """Content -> the `unit_id` that is shown for it."""
    units = contents_of(arrow_tables.read(lake, UNITS, ("unit_id", "user_id", "unit_hash", "duplicate_group"), version=record.versions_read["units"]))
    found = units.num_rows
    if config.max_units is not None:
        units = whole_people(with_persons(units, _identities(lake)), config.max_units, config.min_units_per_person)
    shown = one_unit_a_content(units)
    record.rows["units selected"] += units.num_rows
    record.dropped["units: beyond max_units"] += found - units.num_rows
    record.dropped["units: content of another unit"] += units.num_rows - len(shown)
    return shown


def _identities(lake: LakeConfig) -> dict[str, str]:
    if arrow_tables.find_table(lake, IDENTITIES) is None:
        return {}
    rows = arrow_tables.read(lake, IDENTITIES)
    return dict(zip(rows["user_id"].to_pylist(), rows["person_id"].to_pylist(), strict=True))


def _answered(lake: LakeConfig, teacher_version: str) -> dict[str, str | None]:
    """Contents that this teacher was asked about -> the reason why one has no label; None where it has one."""
    if arrow_tables.find_table(lake, LABELS) is None:
        return {}
    rows = arrow_tables.read(lake, LABELS, ("unit_hash", "reason"), ds.field("teacher_version") == teacher_version)
    return dict(zip(rows["unit_hash"].to_pylist(), rows["reason"].to_pylist(), strict=True))


def _label_batches(
    lake: LakeConfig, engine: Engine, teacher: Teacher, pending: Sequence[ContentBatch], shown: Mapping[str, str], record: RunRecord
) -> Counter[str | None]:  # fmt: skip
    """Ask, judge and commit batch after batch, with a word on the progress; how many came to a label (None) and to each reason.

    Two drivers at once may ask the same batch: the one that commits second writes nothing. What somebody deletes is asked and written again.
    """
    commits = {batch.batch_id: commit_of(arrow_tables.create_table(lake, LABELS), teacher, batch) for batch in pending}
    reasons: Counter[str | None] = Counter()
    with _Progress(sum(len(batch.contents) for batch in pending)) as progress:
        for batch, units in _with_units(lake, pending, shown, record.versions_read["units"]):
            replies = dict(zip(units, ask(engine, teacher.prompt, list(units.values())), strict=True))
            rows = label_rows(teacher, batch.batch_id, units, replies, datetime.now(UTC))
            arrow_tables.append(lake, LABELS, rows, commits[batch.batch_id])
            found = Counter(row.reason for row in rows)
            record.rows["labels"] += found[None]
            record.dropped.update({f"reject: {reason}": count for reason, count in found.items() if reason is not None})
            reasons += found
            progress.done(len(batch.contents))
    return reasons


def commit_of(labels: DeltaTable, teacher: Teacher, batch: ContentBatch) -> tuple[str, int]:
    """The application transaction of a batch's commit: one more than the table holds of it now."""
    name = f"{teacher.version}:{batch.batch_id}"
    return name, (labels.transaction_version(name) or 0) + 1


def _with_units(
    lake: LakeConfig, pending: Sequence[ContentBatch], shown: Mapping[str, str], version: int
) -> Iterator[tuple[ContentBatch, dict[str, dict[str, Any]]]]:
    """Each batch with content -> unit; `units` is scanned once for many batches."""
    for start in range(0, len(pending), BATCHES_A_READ):
        batches = pending[start : start + BATCHES_A_READ]
        unit_ids = pa.array([shown[content] for batch in batches for content in batch.contents])
        rows = arrow_tables.read_batches(lake, UNITS, SHOWN_COLUMNS, ds.field("unit_id").isin(unit_ids), version)
        units = {unit["unit_id"]: unit for part in rows for unit in part.to_pylist()}
        for batch in batches:
            yield batch, {content: units[shown[content]] for content in batch.contents}


def _check_rejects(reasons: Mapping[str | None, int], max_share: float) -> None:
    """Raise TeacherError where too many of the selected contents, by this run or an earlier one, came to no label. `reasons`: how many to each, None to a label."""
    contents = sum(reasons.values())
    rejects = contents - reasons.get(None, 0)
    if contents:
        logger.info("%d of %d selected contents came to no label (%.1f %%)", rejects, contents, 100 * rejects / contents)
    if rejects > max_share * contents:
        common = ", ".join(f"{reason} {count}" for reason, count in Counter(reasons).most_common() if reason is not None)
        raise TeacherError(
            f"{rejects / contents:.0%} of {contents} selected contents came to no label, more than teacher.max_reject_share={max_share}: {common}; "
            "look at the rows of labels that have a reason, and try another teacher.prompt or teacher.model"
        )


class _Progress:
    """A bar on a terminal, elsewhere a log line now and then: done, total, rate."""

    def __init__(self, total: int) -> None:
        self._bar = tqdm(total=total, unit="unit", desc="label", disable=None)
        self._total, self._done, self._since, self._pace = total, 0, time.monotonic(), Pace()

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def done(self, units: int) -> None:
        """Count units that are committed."""
        self._done += units
        self._bar.update(units)
        if self._bar.disable and (self._pace.is_due() or self._done == self._total):
            rate = self._done / (time.monotonic() - self._since)
            logger.log(NOTICE, "labelled %d of %d units, %.1f units/s", self._done, self._total, rate)


if __name__ == "__main__":
    main()
