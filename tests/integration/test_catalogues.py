"""An app's own items from its files to a trained encoder: MovieLens as it is published, by settings alone."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from benchmarks.movielens import prepare
from conf.errors import ConfigError, ContractError, TeacherError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES, answer_key
from lake.job_runs import JOB_RUNS, last_done_run
from lake.labels import ITEM_REJECTS, ITEMS, LABELS, Label, catalogue_item_id, label_item_id
from lake.schema import rows_table
from lake.tables import TableSpec
from pipeline import cli
from teacher.config import CatalogueConfig, TeacherConfig
from teacher.jobs.import_items import import_catalogue
from teacher.jobs.items import collect_items
from tests.pages import files_of, section_of, write_files

PEOPLE = 14
NOBODY_HELD_OUT = ("--set", "trainer.examples.validation_share=0", "--set", "trainer.examples.test_share=0")


def run(lake: LakeConfig, *words: str) -> None:
    """One command on the lake of the test."""
    assert cli.main([*words, "--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}"]) == 0, words


def examples_of(lake: LakeConfig, settings: Path, dump: Path, films: Path) -> list[dict[str, Any]]:
    """Rows of `examples` of a dump with a catalogue, by all the commands on the way."""
    config = ("--config", str(settings))
    run(lake, "etl", "ingest", *config, "--platform", "generic", "--dump", str(dump))
    run(lake, "etl", "units", *config)
    run(lake, "etl", "sequences", *config)
    run(lake, "teacher", "import-items", str(films), *config)
    run(lake, "trainer", "examples", *config, *NOBODY_HELD_OUT)
    return arrow_tables.read(lake, EXAMPLES).to_pylist()


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Folder with the files of settings that PLATFORMS.md shows."""
    write_files(tmp_path, files_of(section_of("PLATFORMS.md", "generic")))
    return tmp_path


def test_films_of_movielens_100k_are_answers_from_its_files_to_training_steps(
    spark: SparkSession, lake: LakeConfig, settings: Path, shared_data: Path
) -> None:  # fmt: skip
    published, dump, config = shared_data / "movielens-100k", settings / "dump", settings / "movielens-100k.yaml"
    dump.mkdir()
    ratings = [line for line in (published / "u.data").read_text().splitlines() if int(line.split("\t")[0]) <= PEOPLE]
    (dump / "u.data").write_text("\n".join(ratings) + "\n")
    (dump / "u.item").write_bytes((published / "u.item").read_bytes())
    rows = examples_of(lake, config, dump, published / "u.item")
    items = {row["external_id"]: row for row in arrow_tables.read(lake, ITEMS).to_pylist()}
    films = (published / "u.item").read_text(encoding="latin-1").splitlines()
    assert (sorted(items), {row["source"] for row in items.values()}) == (sorted(film.split("|")[0] for film in films), {"movielens-100k"})
    assert items["1"]["text"] == "Toy Story (1995), animation, children, comedy"
    assert len(rows) == PEOPLE

    acted, texts = 0, {row["item_id"]: row["text"] for row in items.values()}
    for row in rows:
        rated = [unit["thread_id"].removeprefix("movielens-100k:") for unit in row["history"]]
        words = [items[film]["text"] if film in items else None for film in rated]  # some films stand there twice, with two ids
        for item in row["acted_on"]:
            assert item["item_id"] == items[rated[item["place"]]]["item_id"]
            assert item["text"] == texts[item["item_id"]]
        for cut in row["cuts"]:
            after = range(cut["history_length"], min(len(rated), cut["history_length"] + 20))
            assert cut["acted_on"] == [place for place in after if words[place] and words[place] not in words[:place]]
            acted += len(cut["acted_on"])
        assert {answer_key(text) for text in words if text} <= set(row["did"])
    assert acted > 20 * PEOPLE

    train = ("trainer", "train", "--config", str(config), *NOBODY_HELD_OUT)
    run(lake, *train, "--set", "trainer.max_tokens=96", "--set", "trainer.people_per_batch=5", "--set", "trainer.learning_rate=1e-5")
    trained = last_done_run(lake, "trainer train")
    assert trained is not None
    assert trained.rows["people with catalogue"] > PEOPLE / 2
    version = arrow_tables.table_version(lake, ITEMS)
    run(lake, "teacher", "import-items", str(published / "u.item"), "--config", str(config))
    runs = arrow_tables.count_rows(lake, JOB_RUNS, ds.field("job") == "trainer examples")
    run(lake, "trainer", "examples", "--config", str(config), *NOBODY_HELD_OUT)
    assert arrow_tables.table_version(lake, ITEMS) == version
    assert arrow_tables.count_rows(lake, JOB_RUNS, ds.field("job") == "trainer examples") == runs


def test_films_in_the_format_of_movielens_1m_are_answers_too(spark: SparkSession, lake: LakeConfig, settings: Path) -> None:
    dump = settings / "dump"
    dump.mkdir()
    titles = {film: f"Film {film} (19{60 + film})" for film in range(1, 21)} | {7: 'Caf\xe9: the "film" (1967)'}
    (dump / "movies.dat").write_bytes("".join(f"{film}::{title}::Animation|Comedy\n" for film, title in titles.items()).encode("latin-1"))
    ratings = [f"{user}::{1 + film * user % 20}::5::{978_300_000 + film * 86_400}\n" for user in (1, 3, 7) for film in range(20)]
    (dump / "ratings.dat").write_text("".join(ratings))
    split = settings / "split.parquet"
    shared = ["--lake", lake.path, "--config", str(settings / "movielens-1m.yaml"), "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}"]
    prepare.main([str(dump), str(split), *shared, "--set", "trainer.examples.held_out_acts=last"])
    rows = arrow_tables.read(lake, EXAMPLES).to_pylist()
    assert len(rows) == 3
    assert Counter(row["part"] for row in pq.read_table(split).to_pylist()) == {"train": 3 * 18, "validation": 3, "test": 3}
    with pytest.raises(ConfigError, match=r"expected u\.item or movies\.dat in it"):
        prepare.main([str(settings), str(split), *shared])
    items = {row["item_id"]: row["text"] for row in arrow_tables.read(lake, ITEMS).to_pylist()}
    assert items[catalogue_item_id("movielens-1m", "7")] == 'Caf\xe9: the "film" (1967), Animation, Comedy'
    assert all(row["acted_on"] and {item["text"] for item in row["acted_on"]} <= set(items.values()) for row in rows)


CONFIG = TeacherConfig(catalogue=CatalogueConfig(name="films", id="id", text=("title",)))


def of_films(lake: LakeConfig) -> dict[str | None, str]:
    return {row["external_id"]: row["text"] for row in arrow_tables.read(lake, ITEMS, where=ds.field("source") == "films").to_pylist()}


def test_a_newer_file_takes_the_place_of_the_older_one_and_of_nothing_else(lake: LakeConfig, tmp_path: Path) -> None:
    label = {"item_id": label_item_id("broad", "Tea"), "source": "labels", "level": "broad", "text": "Tea", "external_id": None, "label_count": 3}
    book = {"item_id": catalogue_item_id("books", "1"), "source": "books", "level": None, "text": "A book", "external_id": "1", "label_count": None}
    arrow_tables.append(lake, ITEMS, rows_table(ITEMS, [label, book]))
    file = tmp_path / "films.csv"
    file.write_text("id,title\n1,Heat\n2,Spa\n,Nobody\n1,Heat\n")
    import_catalogue(lake, CONFIG, file)
    assert of_films(lake) == {"1": "Heat", "2": "Spa"}
    (reject,) = arrow_tables.read(lake, ITEM_REJECTS).to_pylist()
    assert reject == {"source": "films", "line": 3, "reason": "no id", "raw": ",Nobody"}
    done = last_done_run(lake, "teacher import-items")
    assert done is not None
    assert (done.rows, done.dropped) == (
        {"lines": 4, "items": 2, "item_rejects": 1}, {"duplicate: item of an earlier row": 1, "reject: no id": 1},
    )  # fmt: skip
    versions = [arrow_tables.table_version(lake, spec) for spec in (ITEMS, ITEM_REJECTS)]
    import_catalogue(lake, CONFIG, file)
    assert [arrow_tables.table_version(lake, spec) for spec in (ITEMS, ITEM_REJECTS)] == versions

    file.write_text("id,title\n2,Spa 2\n3,New\n")
    import_catalogue(lake, CONFIG, file)
    assert of_films(lake) == {"2": "Spa 2", "3": "New"}
    assert arrow_tables.count_rows(lake, ITEM_REJECTS) == 0
    assert [row for row in arrow_tables.read(lake, ITEMS).to_pylist() if row["source"] != "films"] == sorted(
        [label, book], key=lambda row: row["source"] == "books"
    )


def test_a_file_of_mostly_bad_rows_changes_nothing(lake: LakeConfig, tmp_path: Path) -> None:
    file = tmp_path / "films.csv"
    file.write_text("id,title\n1,Heat\n")
    import_catalogue(lake, CONFIG, file)
    file.write_text("id,title\n,a\n,b\n2,c\n")
    with pytest.raises(TeacherError, match=r"2 of 3 rows would be rejects, more than teacher.max_reject_share=0.5: no id \(2\); nothing was imported"):
        import_catalogue(lake, CONFIG, file)
    assert of_films(lake) == {"1": "Heat"}
    file.write_text("id,title\n")
    with pytest.raises(TeacherError, match="no row; nothing was imported, and the items of an earlier import stay"):
        import_catalogue(lake, CONFIG, file)
    assert of_films(lake) == {"1": "Heat"}


@pytest.mark.parametrize("who", ["teacher import-items", "teacher items"])
def test_items_that_another_job_writes_meanwhile_are_not_lost(lake: LakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str) -> None:
    label = Label(
        unit_hash="1", teacher_version="hand", specific="Green tea", broad="Tea", teacher_model="hand", prompt_version="1", rendering_version="1", decoding="",
        prompt_tokens=None, completion_tokens=None, batch=None, labelled_at=None,
    )  # fmt: skip
    arrow_tables.append(lake, LABELS, [label])
    file = tmp_path / "films.csv"
    file.write_text("id,title\n1,Heat\n")
    jobs = {"teacher items": lambda: collect_items(lake), "teacher import-items": lambda: import_catalogue(lake, CONFIG, file)}
    read = arrow_tables.read

    def while_another_writes(lake: LakeConfig, spec: TableSpec, *of: Any, **how: Any) -> Any:
        found = read(lake, spec, *of, **how)
        if spec is ITEMS:
            monkeypatch.setattr(arrow_tables, "read", read)
            next(job for name, job in jobs.items() if name != who)()
        return found

    monkeypatch.setattr(arrow_tables, "read", while_another_writes)
    with pytest.raises(ContractError, match="items: somebody else has written the table meanwhile"):
        jobs[who]()
    jobs[who]()
    assert sorted(read(lake, ITEMS)["text"].to_pylist()) == ["Green tea", "Heat", "Tea"]
