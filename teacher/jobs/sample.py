"""Entry point of `kindred teacher sample`."""

import json
import logging
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from conf.arguments import JobArguments
from conf.errors import ConfigError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import Inputs, RunRecord, inputs_now, job_run, last_run_of
from lake.labels import LABEL_SAMPLE
from lake.units import IDENTITIES, SEQUENCES, UNITS
from teacher import arguments as teacher_arguments
from teacher.config import TeacherConfig
from teacher.identity import find_teacher
from teacher.registered import with_model_here
from teacher.sample.forecast import together
from teacher.sample.forecast_table import forecast_object, forecast_table
from teacher.sample.picking import SAMPLING_VERSION, sample_table
from teacher.sample.sampled import Sample, SampleForecast, forecast, pick, sample_version
from teacher.selected_units import answered_contents

logger = logging.getLogger(__name__)
JOB = "teacher sample"
JUDGED_BY = 10
"""Contents of the sample by which a budget of hours is judged, for each prompt whose tokens are counted."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(teacher_arguments.sample(argv))


def run_job(arguments: JobArguments) -> None:
    """Pick the sample, or tell what it would take to label it."""
    lake, config, values = arguments.section("lake", LakeConfig), arguments.section("teacher", TeacherConfig), arguments.values
    if not values.dry_run:
        sample_contents(lake, config)
        return
    found = forecast_sample(lake, config)
    print(json.dumps(forecast_object(*found), ensure_ascii=False) if values.json else "\n".join([forecast_table(found.parts, found.costs), "", *found.notes]))


def sample_contents(lake: LakeConfig, config: TeacherConfig) -> None:
    """Let `label_sample` be the contents of the budget. Raises ConfigError without one."""
    version, tables = sample_version(config.sample), _tables(lake)
    contents = _contents_of_budget(lake, config, tables)
    inputs = tables.model_copy(update={"settings": {"sample": version, "contents": contents}, "code": SAMPLING_VERSION})
    if last_run_of(lake, JOB, inputs, writes=(LABEL_SAMPLE,)):
        logger.info("%s: nothing changed since the last run, nothing to do", JOB)
        return
    with job_run(lake, JOB, {"teacher": config, "inputs": inputs}) as record:
        record.versions_read.update(inputs.versions)
        sample = pick(lake, config.sample, inputs, contents)
        _count(sample, record)
        record.wrote(LABEL_SAMPLE, arrow_tables.overwrite(lake, LABEL_SAMPLE, sample_table(sample.chosen, version)))


def forecast_sample(lake: LakeConfig, config: TeacherConfig) -> SampleForecast:
    """What labelling the sample of the budget would take, what this teacher has labelled before left out. Writes nothing. Raises ConfigError without a budget."""
    tables = _tables(lake)
    chosen = pick(lake, config.sample, tables, _contents_of_budget(lake, config, tables)).chosen
    answered = pa.array(list(answered_contents(lake, find_teacher(with_model_here(lake, config)).version)), pa.string())
    pending = chosen.filter(pc.invert(pc.is_in(chosen["content"], answered)))
    found = forecast(lake, config, tables, pending)
    before = chosen.num_rows - pending.num_rows
    return found._replace(notes=[*found.notes, f"{before} contents of the sample are labelled already, and are not in the table"] if before else found.notes)


def _tables(lake: LakeConfig) -> Inputs:
    return inputs_now(lake, (SEQUENCES, UNITS), (IDENTITIES,))


def _contents_of_budget(lake: LakeConfig, config: TeacherConfig, tables: Inputs) -> int:
    """Contents to pick: as the settings say, or as many as the hours are enough for, judged by a small sample. Raises ConfigError without a budget, or a speed for hours."""
    if config.sample.contents is not None:
        return config.sample.contents
    if config.sample.hours is None:
        raise ConfigError("teacher.sample: no budget; set teacher.sample.contents, or teacher.sample.hours")
    small = forecast(lake, config, tables, pick(lake, config.sample, tables, JUDGED_BY * config.sample.probed_prompts).chosen)
    judged = together("all", small.parts)
    hours = judged.hours(small.costs)
    if hours is None:
        raise ConfigError(f"teacher.sample.hours: {small.notes[-1]}")
    contents = max(1, int(config.sample.hours / hours * judged.contents)) if hours else 1
    logger.info("%g hours are enough for %d contents: %s", config.sample.hours, contents, "; ".join(small.notes))
    return contents


def _count(sample: Sample, record: RunRecord) -> None:
    people, strata = (len(sample.chosen[name].unique()) for name in ("person_id", "stratum"))
    record.rows.update({"contents": sample.chosen.num_rows, "people": people, "strata": strata})
    record.dropped["people: beyond the budget, or all their units beyond that of their community"] += sample.strata.people.total() - people
    logger.info("%d contents of %d people in %d of %d strata", sample.chosen.num_rows, people, strata, len(sample.strata.people))


if __name__ == "__main__":
    main()
