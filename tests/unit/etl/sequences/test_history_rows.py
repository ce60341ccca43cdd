"""Units -> rows of histories: contexts and texts cut as the slow and obvious way cuts them, and whose the units are."""

import random
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from etl.sequences.history_rows import ACCOUNT_ROWS, PERSON_ROWS, HistoryTexts, UnitsFile, cut_texts, one_person_each, person_rows
from etl.tasks.blocks import files_by_task
from lake.rendering import nearest_context
from tests.etl_rows import entry, unit, units_table


def batch(units: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.concat_batches(units_table(units).select(ACCOUNT_ROWS.names).cast(ACCOUNT_ROWS).to_batches())


@pytest.mark.parametrize("seed", range(30))
def test_contexts_and_texts_are_cut_like_one_unit_after_the_other(seed: int) -> None:
    rng = random.Random(seed)
    texts = HistoryTexts(text_chars=rng.randint(1, 12), context_chars=rng.randint(1, 12), parents=rng.randint(0, 3))

    def words() -> str:
        return rng.choice("aü語🙂") * rng.randint(0, 20)

    units = [
        unit(
            str(number),
            title=rng.choice([None, words()]),
            text=words(),
            context=[entry("root", words(), title=rng.choice([None, words()]))] * rng.randint(0, 1)
            + [entry("parent", words()) for _ in range(rng.randint(0, 5))],
        )
        for number in range(rng.randint(1, 20))
    ]
    cut = cut_texts(batch(units), texts)
    assert cut.schema.equals(ACCOUNT_ROWS)
    expected = [
        row
        | {
            "title": row["title"] and row["title"][: texts.text_chars],
            "text": row["text"][: texts.text_chars],
            "context": [
                found | {"title": found["title"] and found["title"][: texts.context_chars], "text": found["text"][: texts.context_chars]}
                for found in nearest_context(row["context"], texts.parents)
            ],
        }
        for row in batch(units).to_pylist()
    ]
    assert cut.to_pylist() == expected


def test_the_platforms_own_form_is_kept_where_it_is_asked_for() -> None:
    units = batch([unit("a", source_text="<p>long</p>"), unit("b")])
    texts = HistoryTexts(text_chars=9, context_chars=9, parents=0)
    assert cut_texts(units, texts)["source_text"].to_pylist() == [None, None]
    assert cut_texts(units, replace(texts, source_text_chars=6))["source_text"].to_pylist() == ["<p>lon", None]


def test_a_part_of_a_batch_is_cut_like_a_batch() -> None:
    units = [unit(name, text=name * 9, context=[entry("root", name * 9), entry("parent", name)]) for name in "abcd"]
    texts = HistoryTexts(text_chars=4, context_chars=3, parents=0)
    assert cut_texts(batch(units).slice(1, 2), texts).to_pylist() == cut_texts(batch(units), texts).to_pylist()[1:3]


def test_accounts_belong_to_the_least_person_that_they_are_joined_to_else_to_themselves() -> None:
    identities = one_person_each(pa.table({"user_id": ["x", "y", "x"], "person_id": ["q", "y's", "p"]}))
    units = batch([unit("1", "x"), unit("2", "y"), unit("3", "z")])
    rows = person_rows(pa.Table.from_batches([units.slice(0, 1), units.slice(1)]), identities)
    assert rows.schema.equals(PERSON_ROWS)
    assert list(zip(rows["person_id"].to_pylist(), rows["user_ids"].to_pylist(), strict=True)) == [("p", ["x"]), ("y's", ["y"]), ("z", ["z"])]
    assert rows["known_in"].null_count == 3


@pytest.mark.parametrize(("sizes", "at_least", "tasks"), [([5], 4, 1), ([5, 1, 1, 1], 2, 2), ([9, 9, 9, 9], 1, 4), ([3, 3, 3, 3], 1, 2)])
def test_files_are_shared_out_each_to_one_task(sizes: list[int], at_least: int, tasks: int) -> None:
    files = [UnitsFile(str(number), "reddit") for number in range(len(sizes))]
    shares = files_by_task(files, sizes, bytes_of_task=9, at_least=at_least)
    assert len(shares) == tasks
    assert all(shares)
    assert sorted(file.path for share in shares for file in share) == [file.path for file in files]
