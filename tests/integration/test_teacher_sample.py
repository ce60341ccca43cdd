"""The job that picks what is worth a label, on real tables, and the job that labels it."""

import json
from collections import Counter
from typing import Any

import pytest
from teacher_lake import FakeEngine, answers, histories, write_histories, written

from conf.errors import ConfigError, ContractError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import inputs_now, last_done_run
from lake.labels import LABEL_SAMPLE, LABELS
from lake.schema import rows_table
from lake.units import IDENTITIES, SEQUENCES, UNITS
from teacher import arguments as teacher_arguments
from teacher.config import TeacherConfig
from teacher.jobs.label import label_units
from teacher.jobs.sample import forecast_sample, run_job, sample_contents
from teacher.sample.forecast import Costs, together
from teacher.sample.histories import histories as histories_of
from teacher.sample.picking import sample_table
from teacher.sample.sampled import pick


def settings(**sample: Any) -> TeacherConfig:
    return TeacherConfig.model_validate({"batch_units": 16, "max_reject_share": 1, "sample": sample})


@pytest.fixture
def archive(lake: LakeConfig) -> LakeConfig:
    write_histories(lake, histories(40))
    return lake


def test_what_is_sampled_is_labelled_and_nothing_else(archive: LakeConfig) -> None:
    sample_contents(archive, settings(contents=50))
    rows = arrow_tables.read(archive, LABEL_SAMPLE).to_pylist()
    assert [row["place"] for row in rows] == list(range(50))
    assert len({row["unit_hash"] for row in rows}) == 50
    assert max(Counter(row["person_id"] for row in rows).values()) <= 7, "of twelve units the first five lie before every cut"
    assert {row["stratum"].split(", ")[1] for row in rows} == {"de", "en"}
    run = last_done_run(archive, "teacher sample")
    assert run is not None
    assert run.rows["contents"] == 50
    assert run.rows["strata"] == len({row["stratum"] for row in rows})
    label_units(archive, settings(), lambda *_: FakeEngine())
    assert {row["unit_hash"] for row in written(archive, LABELS)} == {row["unit_hash"] for row in rows}
    label_units(archive, TeacherConfig(batch_units=64, max_reject_share=1, use_sample=False), lambda *_: FakeEngine())
    assert len(written(archive, LABELS)) == 40 * 11 + 1


def test_a_larger_sample_goes_on_where_a_smaller_one_ended(archive: LakeConfig) -> None:
    sample_contents(archive, settings(contents=30))
    smaller = arrow_tables.read(archive, LABEL_SAMPLE).to_pylist()
    label_units(archive, settings(), lambda *_: FakeEngine())
    sample_contents(archive, settings(contents=90))
    assert arrow_tables.read(archive, LABEL_SAMPLE).to_pylist()[:30] == smaller
    engine = FakeEngine()
    label_units(archive, settings(), lambda *_: engine)
    labels, rejects = answers(archive)
    assert len(labels) + len(rejects) == 90
    assert sum(len(prompts) for prompts in engine.asked[::2]) == 60


def test_a_second_run_writes_nothing_and_another_setting_does(archive: LakeConfig) -> None:
    versions = []
    for sample in ({"contents": 50}, {"contents": 50, "price_per_hour": 2}, {"contents": 50, "units_per_person": 3}):
        sample_contents(archive, settings(**sample))
        versions.append(arrow_tables.table_version(archive, LABEL_SAMPLE))
    assert versions[0] == versions[1] != versions[2]
    assert max(Counter(row["person_id"] for row in written(archive, LABEL_SAMPLE)).values()) == 3


def test_a_bucket_that_is_read_in_parts_gives_the_same_sample(archive: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    sample_contents(archive, settings(contents=70))
    whole = arrow_tables.read(archive, LABEL_SAMPLE).to_pylist()
    monkeypatch.setattr("teacher.sample.histories.UNITS_AT_ONCE", 50)
    tables = inputs_now(archive, (SEQUENCES, UNITS))
    parts = [part.num_rows for part in histories_of(archive, tables.version(SEQUENCES))]
    assert (len(parts) >= 9, sum(parts)) == (True, 40 * 12)
    assert sample_table(pick(archive, settings().sample, tables, 70).chosen, whole[0]["sample_version"]).to_pylist() == whole


def test_a_killed_run_leaves_the_last_sample_and_is_made_up_for(archive: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    sample_contents(archive, settings(contents=20))
    before = written(archive, LABEL_SAMPLE)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("teacher.jobs.sample.sample_table", killed)
        with pytest.raises(KeyboardInterrupt):
            sample_contents(archive, settings(contents=40))
    assert written(archive, LABEL_SAMPLE) == before
    sample_contents(archive, settings(contents=40))
    assert len(written(archive, LABEL_SAMPLE)) == 40


def test_the_language_of_a_person_is_that_of_all_accounts(archive: LakeConfig) -> None:
    accounts = [row | {"user_id": f"{row['user_id']}-{row['unit_id'][-1]}"} for row in histories(40)]
    arrow_tables.overwrite(archive, UNITS, rows_table(UNITS, accounts))
    sample_contents(archive, settings(contents=1000))
    assert {row["stratum"].split(", ")[1] for row in written(archive, LABEL_SAMPLE)} == {"unknown"}
    persons = {row["user_id"]: {"user_id": row["user_id"], "person_id": row["user_id"].partition("-")[0]} for row in accounts}
    arrow_tables.overwrite(archive, IDENTITIES, rows_table(IDENTITIES, list(persons.values())))
    sample_contents(archive, settings(contents=1000))
    assert {row["stratum"].split(", ")[1] for row in written(archive, LABEL_SAMPLE)} == {"de", "en"}


def test_no_budget_no_sequences_and_nobody(archive: LakeConfig) -> None:
    with pytest.raises(ConfigError, match=r"set teacher\.sample\.contents"):
        sample_contents(archive, settings())
    arrow_tables.overwrite(archive, SEQUENCES, rows_table(SEQUENCES, []))
    sample_contents(archive, settings(contents=5))
    assert written(archive, LABEL_SAMPLE) == []
    with pytest.raises(ContractError, match="sequences: no table"):
        sample_contents(archive.model_copy(update={"path": archive.path + "-none"}), settings(contents=5))


def test_a_budget_of_hours_is_as_many_contents_as_they_are_enough_for_and_a_forecast_leaves_out_what_is_labelled(
    archive: LakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=r"no speed is known; .*teacher\.sample\.tokens_per_second"):
        sample_contents(archive, settings(hours=1))
    config = settings(contents=100, tokens_per_second=50, price_per_hour=3)
    whole = together("all", forecast_sample(archive, config).parts)
    hours, price = whole.hours(Costs(50, 3)), whole.price(Costs(50, 3))
    assert hours is not None
    assert price == pytest.approx(3 * hours)
    sample_contents(archive, settings(hours=hours / 2, tokens_per_second=50))
    halved = len(written(archive, LABEL_SAMPLE))
    assert halved == pytest.approx(50, rel=0.1)
    label_units(archive, settings(), lambda *_: FakeEngine())
    run_job(
        teacher_arguments.sample(["--lake", archive.path, "--set", "teacher.sample.contents=100", "--set", "teacher.batch_units=16", "--dry-run", "--json"])
    )
    told = json.loads(capsys.readouterr().out)
    assert told["all"]["contents"] == 100 - halved
    assert told["notes"][-1] == f"{halved} contents of the sample are labelled already, and are not in the table"
    assert arrow_tables.table_version(archive, LABEL_SAMPLE) == 1, "a forecast writes nothing"
