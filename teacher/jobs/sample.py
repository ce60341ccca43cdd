"""Entry point of `kindred teacher sample`."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from conf.arguments import JobArguments
from conf.errors import ConfigError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import Inputs, RunRecord, inputs_now, job_run, last_run_of
from lake.labels import LABEL_SAMPLE
from lake.units import IDENTITIES, SEQUENCES, UNITS
from teacher import arguments as teacher_arguments
from teacher.config import SampleConfig, TeacherConfig
from teacher.histories import histories, languages_of
from teacher.sampling import SAMPLING_VERSION, Budget, Languages, Pool, Strata, Windows, candidates_of, combinations, eligible_units, people_of, sample_table

logger = logging.getLogger(__name__)
JOB = "teacher sample"
_BUDGET_AND_PRICE = {"contents", "hours", "probed_prompts", "tokens_per_second", "price_per_hour"}


class Sample(NamedTuple):
    """What is picked, in the order of choice (`teacher.sampling.candidates_of`), and the strata that it comes from."""

    chosen: pa.Table
    strata: Strata


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(teacher_arguments.sample(argv))


def run_job(arguments: JobArguments) -> None:
    """Pick the sample."""
    sample_contents(arguments.section("lake", LakeConfig), arguments.section("teacher", TeacherConfig))


def sample_contents(lake: LakeConfig, config: TeacherConfig) -> None:
    """Let `label_sample` be the contents of the budget. Raises ConfigError without one."""
    contents = config.sample.contents
    if contents is None:
        raise ConfigError("teacher.sample: no budget; set teacher.sample.contents, or teacher.sample.hours")
    version = sample_version(config.sample)
    inputs = inputs_now(lake, (SEQUENCES, UNITS), (IDENTITIES,), {"sample": version, "contents": contents}, code=SAMPLING_VERSION)
    if last_run_of(lake, JOB, inputs, writes=(LABEL_SAMPLE,)):
        logger.info("%s: nothing changed since the last run, nothing to do", JOB)
        return
    with job_run(lake, JOB, {"teacher": config, "inputs": inputs}) as record:
        record.versions_read.update(inputs.versions)
        sample = pick(lake, config.sample, inputs, contents)
        _count(sample, record)
        record.wrote(LABEL_SAMPLE, arrow_tables.overwrite(lake, LABEL_SAMPLE, sample_table(sample.chosen, version)))


def pick(lake: LakeConfig, config: SampleConfig, inputs: Inputs, contents: int) -> Sample:
    """The sample of a budget, by two passes over `sequences`: who there is, and who of them is taken."""
    windows = Windows(config.history_units, config.past_units, config.min_units, config.window_units, config.units_per_person)
    languages = languages_of(lake, inputs.version(UNITS))
    strata = _strata(lake, inputs.version(SEQUENCES), windows, languages)
    pool = Pool(Budget(contents, config.contents_per_community))
    for bucket in histories(lake, inputs.version(SEQUENCES)):
        units = eligible_units(bucket, windows)
        pool.add(candidates_of(units, people_of(units, languages), strata, config.balance, windows, pool.limit))
    return Sample(pool.chosen(), strata)


def sample_version(config: SampleConfig) -> str:
    """Hash of the settings that decide what is picked, the budget aside: by it a larger sample knows that it holds a smaller one."""
    deciding = config.model_dump(mode="json", exclude=_BUDGET_AND_PRICE)
    return hashlib.sha256(json.dumps([SAMPLING_VERSION, deciding], sort_keys=True).encode()).hexdigest()[:16]


def _strata(lake: LakeConfig, version: int, windows: Windows, languages: Languages) -> Strata:
    people: Counter[tuple[str | None, ...]] = Counter()
    for bucket in histories(lake, version):
        people += combinations(people_of(eligible_units(bucket, windows), languages))
    return Strata(people)


def _count(sample: Sample, record: RunRecord) -> None:
    people, strata = (len(sample.chosen[name].unique()) for name in ("person_id", "stratum"))
    record.rows.update({"contents": sample.chosen.num_rows, "people": people, "strata": strata})
    record.dropped["people: beyond the budget, or all their units beyond that of their community"] += sample.strata.people.total() - people
    logger.info("%d contents of %d people in %d of %d strata", sample.chosen.num_rows, people, strata, len(sample.strata.people))


if __name__ == "__main__":
    main()
