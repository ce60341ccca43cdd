"""What an erasure leaves of rows of any table."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from lake.acts import ACTS, INGESTED_FILES, REJECTS
from lake.catalog import TABLES
from lake.erasing import Erasing, needed_columns
from lake.examples import EXAMPLES
from lake.schema import arrow_schema, inner_fields, rows_table
from lake.subjects import Subjects
from lake.tables import TableSpec
from lake.units import SEQUENCES, UNITS
from tests.etl_rows import START, act, entry, unit

GONE = Subjects(people=frozenset({"gone", "f" * 64}), acts=frozenset({"a1", "a2"}), names=frozenset({"Some.Name"}))


def left(spec: TableSpec, rows: Sequence[dict[str, Any]], subjects: Subjects = GONE) -> list[dict[str, Any]]:
    """What stays of the rows; they are given in two batches, the second a slice."""
    table = rows_table(spec, list(rows))
    batches = [batch for part in (table.slice(0, 1), table.slice(1)) for batch in part.to_batches()]
    return [row for batch in batches for row in Erasing(spec, subjects).rows(batch).to_pylist(maps_as_pydicts="strict")]


def said(role: str, text: str, speaker_id: str | None = None, unit_id: str | None = None) -> dict[str, Any]:
    return entry(role, text) | {"speaker_id": speaker_id, "unit_id": unit_id}


def history_unit(unit_id: str, minute: int = 0, context: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    kept = {
        name: value
        for name, value in unit(unit_id, minutes=minute).items()
        if name in {field.name for field in inner_fields(arrow_schema(SEQUENCES).field("units").type)}
    }
    return kept | {"starts_session": False, "context": list(context)}


def chunk(person_id: str, units: Sequence[dict[str, Any]], user_ids: Sequence[str] = ()) -> dict[str, Any]:
    times = [each["created_at"] for each in units]
    return {
        "person_id": person_id, "chunk": 0, "units": list(units), "user_ids": list(user_ids or [person_id]), "first_at": times[0], "last_at": times[-1], "bucket": 0,
    }  # fmt: skip


def test_rows_of_a_person_and_of_an_act_go_and_all_others_stay_as_they_are() -> None:
    rows = [act("x", user_id="stays"), act("y", user_id="gone"), act("a1", user_id=None), act("z", user_id=None, attributes={"score": "1"})]
    assert left(ACTS, rows) == [rows[0], rows[3]]


def test_a_place_that_is_the_profile_of_a_person_goes_and_leaves_its_row() -> None:
    rows = [act("x", community=f"u_{'f' * 64}"), act("y", community="u_other")]
    assert left(ACTS, rows) == [rows[0] | {"community": None}, rows[1]]


def test_what_opened_the_thread_goes_alone_and_the_state_says_that_it_is_missing() -> None:
    context = [said("root", "r", "gone"), said("parent", "p", "stays")]
    row = unit("x", context=context, root_state="present", chain_state="complete")
    assert left(UNITS, [row]) == [row | {"context": context[1:], "root_state": "missing"}]


def test_a_parent_takes_the_chain_above_it_with_it_and_not_what_opened_the_thread() -> None:
    context = [said("root", "r", "stays"), said("parent", "far", "stays"), said("parent", "theirs", None, "a2"), said("parent", "near", "stays")]
    row, other = (unit(name, context=found, root_state="present", chain_state="complete") for name, found in (("x", context), ("y", context[:2])))
    assert left(UNITS, [other, row, other]) == [other, row | {"context": [context[0], context[3]], "chain_state": "missing"}, other]


def test_units_leave_chunks_with_their_times_and_a_chunk_without_any_is_none() -> None:
    units = [history_unit("a1"), history_unit("b", 1, [said("object", "o", "gone")]), history_unit("a2", 2)]
    rows = [
        chunk("stays", units, ["gone", "stays"]),
        chunk("gone", [history_unit("c")]),
        chunk("empty", [history_unit("a1")]),
        chunk("other", [history_unit("d", 7)]),
    ]
    kept = units[1] | {"context": []}
    assert left(SEQUENCES, rows) == [rows[0] | {"units": [kept], "user_ids": ["stays"], "first_at": kept["created_at"], "last_at": kept["created_at"]}, rows[3]]


def example(person_id: str, history: Sequence[dict[str, Any]], hard_negatives: Sequence[str] = ()) -> dict[str, Any]:
    cut = {"cut_at": START, "history_length": 1, "positives": [], "entered": [], "hard_negatives": list(hard_negatives), "period": "past"}
    rest = {"labelled": [], "did": [], "communities": ["c", f"u_{'f' * 64}"], "platforms": None, "label_set": [], "split": "train", "acted_on": None}
    candidates = [{"item_id": item, "level": None, "text": item} for item in hard_negatives]
    empty = {"held_out_acts": None, "held_out_topics": None, "trained_units": None, "candidates": candidates}
    return {"person_id": person_id, "history": list(history), "cuts": [cut | dict.fromkeys(("community", "labelled", "acted_on", "part"))], **rest, **empty}


def test_an_example_whose_history_has_an_act_goes_as_a_whole_since_cuts_count_its_units() -> None:
    rows = [example("x", [history_unit("b"), history_unit("a1")]), example("y", [history_unit("b")], ["i", "j"])]
    (row,) = left(EXAMPLES, rows, Subjects(people=GONE.people, acts=GONE.acts, items=frozenset({"i"})))
    assert row["person_id"] == "y"
    assert (row["communities"], row["cuts"][0]["hard_negatives"], [found["item_id"] for found in row["candidates"]]) == (["c"], ["j"], ["j"])


def test_units_that_entered_a_thread_by_a_title_that_is_gone_are_no_answers() -> None:
    theirs, others = (said("root", "r", speaker) | {"title": "Rye bread"} for speaker in ("gone", "stays"))
    row = example("x", [history_unit("b", context=[others]), history_unit("c", context=[theirs]), history_unit("d", context=[others])])
    row["cuts"][0]["entered"] = [1, 2]
    kept = left(EXAMPLES, [row, row | {"person_id": "y", "history": [history_unit("b", context=[others])] * 3}])
    assert [found["cuts"][0]["entered"] for found in kept] == [[2], [1, 2]]
    assert [entry["title"] for unit in kept[0]["history"] for entry in unit["context"]] == ["Rye bread", "Rye bread"]


def test_lines_that_tell_a_name_in_clear_go_and_not_those_that_have_it_inside_a_word() -> None:
    raws = ['{"author": "some.name"', '{"author": "some.name2"', '{"author": "someXname"', "nothing"]
    rows = [
        {"platform": "reddit", "source_file": "RC", "line": line, "reason": "not json", "raw": raw, "user_id": None, "rejected_at": START} for line, raw in enumerate(raws, 1)
    ]  # fmt: skip
    assert [row["line"] for row in left(REJECTS, rows)] == [2, 3, 4]
    assert [row["line"] for row in left(REJECTS, rows, Subjects())] == [1, 2, 3, 4]


def test_of_a_file_that_is_called_after_a_person_acts_of_nobody_go_and_those_of_others_stay() -> None:
    profile = f"u_{'f' * 16}_comments.zst"
    rows = [act("x", user_id=None, source_file=profile), act("y", user_id="stays", source_file=profile), act("z", user_id=None)]
    assert left(ACTS, rows) == rows[1:]


def test_files_that_are_called_after_a_person_go() -> None:
    rows = [
        {
            "source_file": file, "platform": "takeout", "kind": "", "sha256": "", "bytes": 1, "json_bytes": 1, "lines": 1, "rows": 1, "rejects": 0, "rejects_by_reason": {},
            "casts_by_kind": {}, "first_created_at": None, "last_created_at": None, "seconds": 1.0, "parser_version": "1", "key_id": "k", "ingested_at": START,
            "left_out_by_kind": None,
        }
        for file in (f"{'f' * 16}/Takeout/history.json", f"x{'f' * 16}/history.json", f"{'f' * 17}.json", f"my_{'f' * 16}_comments.zst")
    ]  # fmt: skip
    assert [row["source_file"] for row in left(INGESTED_FILES, rows)] == [rows[1]["source_file"], rows[2]["source_file"]]


@pytest.mark.parametrize("spec", TABLES.values(), ids=TABLES)
def test_every_column_that_names_somebody_is_one_of_the_table_and_an_empty_table_stays_so(spec: TableSpec) -> None:
    names = set(column_names(arrow_schema(spec)))
    assert {*needed_columns(spec), *spec.indivisible, *filter(None, [spec.consists_of])} <= names
    assert Erasing(spec, GONE).rows(pa.RecordBatch.from_pylist([], schema=arrow_schema(spec))).num_rows == 0


@pytest.mark.parametrize("spec", TABLES.values(), ids=TABLES)
def test_no_column_of_ids_is_forgotten(spec: TableSpec) -> None:
    """Who adds a column that names a person or an act says so: these are all that do not, and why."""
    not_named = {
        "thread_id", "parent_unit_id", "units.thread_id", "history.thread_id",  # where an act stands among others
        "cuts.positives.unit_id", "labelled.unit_id",  # units of the history of the same row
    }  # fmt: skip
    ids = {
        name
        for name in column_names(arrow_schema(spec))
        if name.rpartition(".")[2] in ("user_id", "person_id", "unit_id", "speaker_id", "user_ids", "thread_id", "parent_unit_id")
    }
    assert ids <= {*spec.subjects, *not_named}


def test_a_spec_is_still_a_key() -> None:
    assert len(set(TABLES.values())) == len(TABLES)


def column_names(fields: Sequence[pa.Field], above: str = "") -> list[str]:
    return [name for field in fields for name in (above + field.name, *column_names(inner_fields(field.type), f"{above}{field.name}."))]
