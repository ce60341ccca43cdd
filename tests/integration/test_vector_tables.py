"""Tables of vectors, a bucket at a time, in real Delta: whatever changes, they come to what a fresh table would hold, and no more of them is written and encoded than changed."""

import random
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from counting_encoder import CountingEncoder
from deltalake import write_deltalake
from serving_lake import chunks, person_id, unit

from conf.errors import ContractError
from lake import arrow_tables, chunk_parts
from lake.config import LakeConfig
from lake.examples import PERSON_LABELS
from lake.job_runs import RunRecord, inputs_now
from lake.labels import ITEMS, label_item_id
from lake.schema import rows_table
from lake.tables import TableSpec
from lake.units import SEQUENCES, sequence_bucket
from lake.vectors import ITEM_VECTORS, USER_VECTORS
from serving import embedding
from serving.embedding import Sources, bucket_change
from serving.jobs import embed
from serving.vector_tables import commit

Histories = dict[str, list[dict[str, Any]]]
TABLES = (USER_VECTORS, ITEM_VECTORS)


def write_histories(lake: LakeConfig, histories: Histories, buckets: int = 3) -> None:
    rows = [row | {"bucket": sequence_bucket(row["person_id"], buckets)} for name, units in histories.items() for row in chunks(name, units)]
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, rows))


def write_items(lake: LakeConfig, texts: Sequence[str]) -> None:
    rows = [
        {"item_id": label_item_id("specific", text), "source": "labels", "level": "specific", "text": text, "external_id": None, "label_count": 3}
        for text in texts
    ]
    arrow_tables.overwrite(lake, ITEMS, rows_table(ITEMS, rows))


def sources_now(lake: LakeConfig, encoder: CountingEncoder, item_buckets: int = 3) -> Sources:
    return Sources(lake, inputs_now(lake, (SEQUENCES, ITEMS), (PERSON_LABELS,), encoder_version=encoder.version), 2**20, item_buckets)


def bring_up_to_date(lake: LakeConfig, encoder: CountingEncoder, kept: Sequence[str] = (), item_buckets: int = 3) -> dict[str, int]:
    """Both tables, as the job does; what it counts."""
    sources, record = sources_now(lake, encoder, item_buckets), RunRecord()
    for spec, what in zip(TABLES, ("users", "items"), strict=True):
        made = lambda spec, sizes: (bucket_change(sources, spec, bucket, size, encoder) for bucket, size in sizes.items())  # noqa: E731
        embed.bring_up_to_date(sources, spec, kept, made, record, what)
    return dict(record.rows)


def rows(lake: LakeConfig, spec: TableSpec = USER_VECTORS) -> list[dict[str, Any]]:
    return sorted(arrow_tables.read(lake, spec).to_pylist(), key=lambda row: (row["encoder_version"], row[spec.key[0]]))


def files(lake: LakeConfig, spec: TableSpec = USER_VECTORS) -> dict[int, set[str]]:
    """Paths by bucket."""
    found: dict[int, set[str]] = {}
    for file in arrow_tables.live_files(arrow_tables.open_table(lake, spec)):
        found.setdefault(int(file["partition.bucket"]), set()).add(file["path"])
    return found


def people(count: int) -> Histories:
    return {f"p{number}": [unit(f"p{number}", place, "chess", f"word{number} said {place}") for place in range(1 + number % 3)] for number in range(count)}


@pytest.fixture
def made(lake: LakeConfig) -> LakeConfig:
    """Twelve people and nine items, embedded."""
    write_histories(lake, people(12))
    write_items(lake, [f"item {number}" for number in range(9)])
    bring_up_to_date(lake, CountingEncoder())
    return lake


def test_only_the_bucket_of_who_changed_is_written_anew_and_only_they_are_encoded(made: LakeConfig) -> None:
    before, version = files(made), arrow_tables.table_version(made, ITEM_VECTORS)
    assert {len(paths) for paths in before.values()} == {1}
    assert {row["bucket"] for row in rows(made)} == {0, 1, 2}
    changed = people(12)
    changed["p5"].append(unit("p5", 9, "chess", "and more"))
    write_histories(made, changed)
    encoder = CountingEncoder()
    assert bring_up_to_date(made, encoder) == {"users encoded": 1, "users unchanged": 11, "items unchanged": 9}
    assert len(encoder.texts) == 1
    after = files(made)
    assert {bucket for bucket in after if after[bucket] != before[bucket]} == {sequence_bucket(person_id("p5"), 3)}
    assert arrow_tables.table_version(made, ITEM_VECTORS) == version


@pytest.mark.parametrize("small", [False, True])
def test_after_any_changes_the_tables_are_those_of_a_fresh_lake(lake: LakeConfig, tmp_path: Path, small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if small:  # several parts a bucket, and several rows at once a part
        for module, name, value in ((chunk_parts, "MEMORY_OF_BYTES", 1000), (embedding, "ROWS_AT_ONCE", 2), (embedding, "ITEMS_OF_PART", 3)):
            monkeypatch.setattr(module, name, value)
    chosen, histories, items = random.Random(7), people(18), [f"item {number}" for number in range(12)]
    for step in range(3):
        for name in chosen.sample(sorted(histories), 4):
            action = chosen.choice(["drop", "grow", "move"])
            if action == "drop":
                del histories[name]
            elif action == "grow":
                histories[name] = [*histories[name], unit(name, 20 + step, "chess", f"step {step}")]
            else:  # the words stay, what is said of the person does not
                histories[name] = [entry | {"community": f"place {step}"} for entry in histories[name]]
        items = [text for text in items if chosen.random() > 0.1] + [f"new {step}"]
        fresh = lake.model_copy(update={"path": str(tmp_path / f"fresh-{step}")})
        for each in (lake, fresh):
            write_histories(each, histories)
            write_items(each, items)
            counts = bring_up_to_date(each, CountingEncoder())
        assert counts == {"users encoded": len(histories), "items encoded": len(items)}
        assert [rows(lake, spec) for spec in TABLES] == [rows(fresh, spec) for spec in TABLES]


def test_another_number_of_buckets_doubles_nobody(made: LakeConfig) -> None:
    before = rows(made)
    write_histories(made, people(12), buckets=2)
    bring_up_to_date(made, CountingEncoder(), item_buckets=2)
    assert [row | {"bucket": None} for row in rows(made)] == [row | {"bucket": None} for row in before]
    assert set(files(made)) == set(files(made, ITEM_VECTORS)) == {0, 1}


def test_of_two_runs_at_once_the_later_one_stops_and_nobody_is_there_twice(lake: LakeConfig) -> None:
    write_histories(lake, people(12))
    write_items(lake, ["item"])
    encoder = CountingEncoder()
    arrow_tables.create_table(lake, USER_VECTORS)
    sources = sources_now(lake, encoder)
    changes = [bucket_change(sources, USER_VECTORS, bucket, size, encoder) for bucket, size in sources.buckets(USER_VECTORS).items()]
    commit(lake, USER_VECTORS, changes[0])
    bring_up_to_date(lake, encoder)
    for change in changes:
        with pytest.raises(ContractError, match=f"user_vectors: somebody else has written bucket {change.bucket} meanwhile"):
            commit(lake, USER_VECTORS, change)
    assert len(rows(lake)) == 12
    assert bring_up_to_date(lake, encoder) == {"users unchanged": 12, "items unchanged": 1}


def test_a_commit_that_comes_between_the_look_and_the_commit_is_noticed(made: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {name: [*units, unit(name, 9, "chess", "more")] for name, units in people(12).items()}
    write_histories(made, changed)
    encoder = CountingEncoder()
    sources = sources_now(made, encoder)
    one, two = ([bucket_change(sources, USER_VECTORS, bucket, size, encoder) for bucket, size in sources.buckets(USER_VECTORS).items()] for _ in range(2))
    opened, overtaken = arrow_tables.open_table, []

    def open_and_be_overtaken(*arguments: Any) -> Any:
        table = opened(*arguments)
        if not overtaken:
            overtaken.append(table)
            commit(made, USER_VECTORS, one[0])
        return table

    for late, asserts in ((two[0], pytest.raises(ContractError, match="somebody else has written bucket 0 meanwhile")), (two[1], nullcontext())):
        with monkeypatch.context() as patch, asserts:
            patch.setattr(arrow_tables, "open_table", open_and_be_overtaken)
            commit(made, USER_VECTORS, late)
        overtaken.clear()
        one = one[2:]
    assert len(files(made)[0]) == len(files(made)[1]) == 1
    assert [row["person_id"] for row in rows(made)] == sorted(map(person_id, changed))
    assert [row["unit_count"] for row in rows(made) if row["bucket"] == 1] == [
        len(changed[name]) for name in sorted(changed, key=person_id) if sequence_bucket(person_id(name), 3) == 1
    ]


def test_who_is_gone_leaves_other_encoders_too_and_whom_this_one_does_not_read_stays_there(made: LakeConfig) -> None:
    labels = {
        "created_at": unit("p1", 0, "chess")["created_at"],
        "teacher_version": "t",
        "specific": "S",
        "broad": "B",
        "specific_item_id": "s",
        "broad_item_id": "b",
    }
    owner = person_id("p1")
    of_one = {"person_id": owner, "unit_id": "test:p1-0", "bucket": sequence_bucket(owner, 3)} | labels
    arrow_tables.overwrite(made, PERSON_LABELS, rows_table(PERSON_LABELS, [of_one]))
    left = {name: units for name, units in people(12).items() if name != "p4"}
    write_histories(made, left)
    reads_labels = CountingEncoder(query_format="labels", version="reads-labels")
    assert bring_up_to_date(made, reads_labels, kept=["512"]) == {"users encoded": 1, "items encoded": 9}
    found = [(row["encoder_version"], row["person_id"]) for row in rows(made)]
    assert found == [*(("512", person) for person in sorted(map(person_id, left))), ("reads-labels", owner)]
    bring_up_to_date(made, reads_labels)
    assert {row["encoder_version"] for spec in TABLES for row in rows(made, spec)} == {"reads-labels"}


def test_an_item_that_comes_twice_is_an_error_and_nothing_of_its_bucket_is_written(made: LakeConfig) -> None:
    before = rows(made, ITEM_VECTORS)
    write_items(made, ["twice", "twice"])
    with pytest.raises(ContractError, match=r"item_vectors: item_id '[0-9a-f]{32}' comes twice"):
        bring_up_to_date(made, CountingEncoder())
    assert {row["item_id"] for row in rows(made, ITEM_VECTORS)} <= {row["item_id"] for row in before}


def test_a_table_that_an_older_program_laid_out_is_made_anew_with_a_word(made: LakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    expected = rows(made)
    older = arrow_tables.read(made, USER_VECTORS).drop_columns("bucket")
    write_deltalake(f"{made.path}/user_vectors", older, mode="overwrite", schema_mode="overwrite", partition_by=[])
    with pytest.raises(ContractError, match=r"user_vectors: column 'bucket' is missing, .* rebuild with 'kindred serving embed'"):
        arrow_tables.read(made, USER_VECTORS)
    assert bring_up_to_date(made, CountingEncoder()) == {"users encoded": 12, "items unchanged": 9}
    assert "user_vectors was written by an older program" in caplog.text
    assert rows(made) == expected


def test_a_bucket_that_is_given_up_leaves_no_drafts_and_no_rows(made: LakeConfig) -> None:
    class Failing(CountingEncoder):
        """Runs out of memory."""

        def encode_texts(self, texts: Any, side: Any) -> Any:
            raise MemoryError

    before = rows(made)
    write_histories(made, {name: [*units, unit(name, 9, "chess", "more")] for name, units in people(12).items()})
    with pytest.raises(MemoryError):
        bring_up_to_date(made, Failing())
    assert rows(made) == before
    known = set().union(*files(made).values())
    assert {
        str(path.relative_to(f"{made.path}/user_vectors")) for path in Path(f"{made.path}/user_vectors").rglob("*.parquet*") if "_delta_log" not in path.parts
    } == known


def test_a_bucket_is_read_no_more_than_a_part_at_a_time(made: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_parts, "MEMORY_OF_BYTES", 1000)
    sizes, persons = [], embedding.persons
    monkeypatch.setattr(embedding, "persons", lambda chunks, labels: sizes.append(len(pa.compute.unique(chunks["person_id"]))) or persons(chunks, labels))
    sources = replace(sources_now(made, CountingEncoder()), part_bytes=4096)
    for bucket, size in sources.buckets(USER_VECTORS).items():
        assert not bucket_change(sources, USER_VECTORS, bucket, size, CountingEncoder()).added
    assert sum(sizes) == 12
    assert max(sizes) == 1
