"""`trainer examples` on hand-made people: what stands in the table, and when it is written."""

import shutil
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute
import pytest
from deltalake import write_deltalake

from conf.errors import ConfigError, ContractError
from lake import arrow_tables, chunk_parts
from lake.config import LakeConfig
from lake.examples import EXAMPLES, PERSON_LABELS
from lake.job_runs import JOB_RUNS
from lake.schema import rows_table
from lake.units import SEQUENCES
from tests.topic_people import PEOPLE, UNITS, arguments, chunk, rows, unit, words_of, write_people
from trainer.jobs import examples


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> LakeConfig:
    """A lake with examples."""
    lake = LakeConfig(path=str(tmp_path_factory.mktemp("cut")))
    write_people(lake)
    examples.main(arguments(lake))
    return lake


def test_examples_hold_each_labelled_person_once_in_order_and_in_one_split(cut: LakeConfig) -> None:
    found = rows(cut)
    assert [row["person_id"] for row in found] == [f"person{person:02}" for person in range(PEOPLE - 1)]
    for person, row in enumerate(found):
        assert [one["unit_id"] for one in row["history"]] == [unit(person, number)["unit_id"] for number in range(UNITS)]
        assert len(row["cuts"]) == 4
        assert row["label_set"] == ["hand"]
    assert {row["split"] for row in found} == {"train", "validation", "test"}
    (run,) = arrow_tables.read(cut, JOB_RUNS).filter(pa.compute.field("job") == "trainer examples").to_pylist(maps_as_pydicts="strict")
    assert run["rows"]["people"] == PEOPLE - 1
    assert run["dropped"] == {"people: no cut with enough units before and answers after": 1}
    labelled = arrow_tables.read(cut, PERSON_LABELS).sort_by([("person_id", "ascending"), ("unit_id", "ascending")]).to_pylist()
    assert [(one["person_id"], one["unit_id"], one["specific"], one["broad"]) for one in labelled] == [
        (f"person{person:02}", unit(person, number)["unit_id"], *words_of(person, number)) for person in range(PEOPLE - 1) for number in range(UNITS)
    ]


def test_a_second_run_of_examples_writes_nothing_and_another_setting_does(lake: LakeConfig) -> None:
    write_people(lake, people=5)
    examples.main(arguments(lake))
    first, versions = rows(lake), [arrow_tables.table_version(lake, spec) for spec in (EXAMPLES, JOB_RUNS)]
    examples.main(arguments(lake))
    assert [arrow_tables.table_version(lake, spec) for spec in (EXAMPLES, JOB_RUNS)] == versions
    examples.main(arguments(lake, "examples.cuts_per_person=1"))
    assert [len(row["cuts"]) for row in rows(lake)] == [1] * 4
    examples.main(arguments(lake))
    assert rows(lake) == first


def test_people_without_labels_give_an_empty_table(lake: LakeConfig) -> None:
    write_people(lake, people=1)
    examples.main(arguments(lake))
    assert rows(lake) == []


def test_examples_need_no_items_and_no_labels(lake: LakeConfig) -> None:
    write_people(lake, people=3)
    shutil.rmtree(f"{lake.path}/items")
    examples.main(arguments(lake))
    assert [row["person_id"] for row in rows(lake)] == ["person00", "person01"]
    shutil.rmtree(f"{lake.path}/labels")
    titled = [chunk(person, 0) for person in range(2)]
    for row in titled:
        row["units"] = [one | {"title": f"Title {one['unit_id']}"} for one in row["units"]]
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, titled))
    examples.main(arguments(lake))
    assert [(row["person_id"], row["labelled"], len(row["cuts"]) > 0) for row in rows(lake)] == [("person00", [], True), ("person01", [], True)]


def test_examples_are_the_same_whatever_is_held_at_once(cut: LakeConfig, lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write_people(lake)
    monkeypatch.setattr(chunk_parts, "MEMORY_OF_BYTES", 2_000)
    examples.main(arguments(lake, "examples.memory_mb=1", "examples.labels_at_once=7"))
    assert rows(lake) == rows(cut)
    assert sorted(map(str, arrow_tables.read(lake, PERSON_LABELS).to_pylist())) == sorted(map(str, arrow_tables.read(cut, PERSON_LABELS).to_pylist()))


def test_a_table_of_an_older_program_is_replaced(lake: LakeConfig) -> None:
    write_people(lake, people=3)
    write_deltalake(f"{lake.path}/examples", pa.table({"person_id": ["somebody"], "history": [["old"]], "split": ["train"]}))
    with pytest.raises(ContractError, match="rebuild with 'kindred trainer examples'"):
        rows(lake)
    examples.main(arguments(lake))
    assert [row["person_id"] for row in rows(lake)] == ["person00", "person01"]


def test_a_label_set_that_is_not_there_is_a_config_error(lake: LakeConfig) -> None:
    write_people(lake, people=3)
    with pytest.raises(ConfigError, match="no labels of teacher version 'other'"):
        examples.main(arguments(lake, "examples.label_set=[other]"))


def test_a_stream_that_fails_leaves_the_table_as_it_was(lake: LakeConfig) -> None:
    write_people(lake, people=3)
    examples.main(arguments(lake))
    before, version = arrow_tables.read(lake, EXAMPLES), arrow_tables.table_version(lake, EXAMPLES)

    def failing() -> Iterator[pa.Table]:
        yield before
        raise ContractError("no more")

    with pytest.raises(ContractError, match="no more"):
        arrow_tables.overwrite_stream(lake, EXAMPLES, failing())
    assert arrow_tables.table_version(lake, EXAMPLES) == version
    arrow_tables.overwrite_stream(lake, EXAMPLES, iter(()))
    assert arrow_tables.read(lake, EXAMPLES).num_rows == 0
