"""Entry point of `kindred teacher label`."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from deltalake import DeltaTable

from conf.arguments import JobArguments
from conf.errors import TeacherError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import RunRecord, job_run
from lake.labels import LABEL_SAMPLE, LABELS
from lake.units import IDENTITIES, UNITS
from teacher import arguments as teacher_arguments
from teacher.config import TeacherConfig
from teacher.engine import Engine
from teacher.engines.start import start_engine
from teacher.identity import Teacher, find_teacher
from teacher.labelling import ask, label_rows
from teacher.progress import Progress
from teacher.registered import with_model_here
from teacher.selected_units import ChosenContents, SelectedPart, answered_contents, chosen_units, pending_units, selected_parts
from teacher.selection import ContentBatch, content_batches
from teacher.speed import LABEL_JOB, MILLISECONDS, tokens_of

logger = logging.getLogger(__name__)
JOB = LABEL_JOB

StartEngine = Callable[[LakeConfig, TeacherConfig, Teacher], Engine]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(teacher_arguments.label(argv))


def run_job(arguments: JobArguments) -> None:
    """Label what is not labelled yet."""
    label_units(arguments.section("lake", LakeConfig), arguments.section("teacher", TeacherConfig))


def label_units(lake: LakeConfig, config: TeacherConfig, start: StartEngine = start_engine, contents: ChosenContents | None = None) -> None:
    """Append what comes of every selected content that this teacher has not answered yet: of `contents`, if given, else of those that the settings select.

    A kill loses the batch at hand and no other. Raises TeacherError where the model cannot be loaded, or too many of the selected contents came to nothing, whichever run asked.
    """
    here = with_model_here(lake, config)
    teacher = find_teacher(here)
    with job_run(lake, JOB, {"teacher": config}) as record:
        record.read(UNITS, arrow_tables.open_table(lake, UNITS).version())
        record.read(IDENTITIES, arrow_tables.table_version(lake, IDENTITIES))
        answered = answered_contents(lake, teacher.version)
        version = record.versions_read[UNITS.name]
        sample = arrow_tables.table_version(lake, LABEL_SAMPLE) if config.use_sample and contents is None else None
        record.read(LABEL_SAMPLE, sample)
        if sample is not None:
            logger.info("the contents of label_sample alone are labelled, whatever teacher.max_units says (teacher.use_sample)")
        chosen = contents or chosen_units(lake, config, version, sample)
        left_out = "units: beyond max_units" if sample is None else "units: not in the sample"
        pending, reasons = _plan(selected_parts(lake, chosen, version), answered, left_out, record)
        if pending:
            logger.info("teacher %s: %d contents, %s, prompt %s", teacher.version, pending, teacher.model, teacher.prompt.name)
            units = pending_units(lake, selected_parts(lake, chosen, version), answered, version)
            batches = content_batches(units, config.batch_units, teacher.version)
            found = _label_batches(lake, start(lake, here, teacher), teacher, batches, pending, record)
            record.dropped["units: content of another unit"] += pending - found.total()
            reasons += found
        record.wrote(LABELS, arrow_tables.create_table(lake, LABELS).version())
        _check_rejects(reasons, config.max_reject_share)


def _plan(parts: Iterable[SelectedPart], answered: Mapping[str, str | None], left_out: str, record: RunRecord) -> tuple[int, Counter[str | None]]:
    """How many contents are selected and not answered; and of those that are, how many came to a label (None) and to each reason. A content of two partitions counts in both."""
    pending, reasons = 0, Counter[str | None]()
    for part in parts:
        contents = part.shown["content"].to_pylist()
        before = [answered[content] for content in contents if content in answered]
        reasons.update(before)
        pending += len(contents) - len(before)
        record.rows["units selected"] += part.units
        record.dropped[left_out] += part.found - part.units
        record.dropped["units: content of another unit"] += part.units - len(contents)
        record.dropped["labelled before"] += len(before)
    return pending, reasons


def _label_batches(
    lake: LakeConfig, engine: Engine, teacher: Teacher, batches: Iterator[ContentBatch], pending: int, record: RunRecord
) -> Counter[str | None]:  # fmt: skip
    """Ask, judge and commit batch after batch, with a word on the progress; how many came to a label (None) and to each reason.

    Two drivers at once may ask the same batch: the one that commits second writes nothing. What somebody deletes is asked and written again.
    """
    reasons: Counter[str | None] = Counter()
    before, began = arrow_tables.create_table(lake, LABELS), time.monotonic()
    with Progress(pending, "label", "unit") as progress:
        for batch in batches:
            replies = dict(zip(batch.units, ask(engine, teacher.prompt, list(batch.units.values())), strict=True))
            rows = label_rows(teacher, batch.batch_id, batch.units, replies, datetime.now(UTC))
            arrow_tables.append(lake, LABELS, rows, commit_of(before, teacher, batch))
            found = Counter(row.reason for row in rows)
            record.rows.update(tokens_of(replies.values()))
            record.rows[MILLISECONDS] = round(1000 * (time.monotonic() - began))
            record.rows["labels"] += found[None]
            record.dropped.update({f"reject: {reason}": count for reason, count in found.items() if reason is not None})
            reasons += found
            progress.done(len(batch.units))
    return reasons


def commit_of(before: DeltaTable, teacher: Teacher, batch: ContentBatch) -> tuple[str, int]:
    """The application transaction of a batch's commit: one more than the table held of it `before` the run."""
    name = f"{teacher.version}:{batch.batch_id}"
    return name, (before.transaction_version(name) or 0) + 1


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


if __name__ == "__main__":
    main()
