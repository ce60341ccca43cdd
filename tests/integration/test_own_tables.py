"""Tables of people's own, by settings alone, as PLATFORMS.md shows them: a shop's, and MovieLens as it is published."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import last_done_run
from lake.units import SEQUENCES, UNITS
from pipeline import cli
from tests.pages import commands_of, files_of, section_of, write_files


def run(lake: LakeConfig, *words: str) -> None:
    """One command on the lake of the test."""
    assert cli.main([*words, "--lake", lake.path, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}"]) == 0, words


def made_of(lake: LakeConfig, config: Path, dump: Path) -> list[dict[str, Any]]:
    """Units of a dump that a file of settings describes."""
    run(lake, "etl", "ingest", "--config", str(config), "--platform", "generic", "--dump", str(dump))
    run(lake, "etl", "units", "--config", str(config))
    return arrow_tables.read(lake, UNITS).to_pylist(maps_as_pydicts="strict")


def people_in_sequences(lake: LakeConfig) -> dict[str, int]:
    """Units in each person's history."""
    people: Counter[str] = Counter()
    for chunk in arrow_tables.read(lake, SEQUENCES, ["person_id", "units"]).to_pylist():
        people[chunk["person_id"]] += len(chunk["units"])
    return dict(people)


def test_what_the_page_says_of_your_own_csv_works_as_it_stands_there(
    spark: SparkSession, lake: LakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    section = section_of("PLATFORMS.md", "Your own CSV in five minutes")
    write_files(tmp_path, files_of(section))
    monkeypatch.chdir(tmp_path)
    commands = commands_of(section)
    assert [command[1] for command in commands] == ["ingest", "units", "sequences", "thread"]
    for command in commands:
        assert cli.main([*command, "--set", f"lake.pseudonym_key_file={lake.pseudonym_key_file}"]) == 0
    assert capsys.readouterr().out.count("Crème brûlée rooibos") >= 3  # the product, and what two people bought
    at = LakeConfig(path=str(tmp_path / "lake"), pseudonym_key_file=lake.pseudonym_key_file)
    units = arrow_tables.read(at, UNITS).to_pylist(maps_as_pydicts="strict")
    assert Counter(unit["title"] for unit in units) == {"Sencha from Uji": 2, "Kettle, 0.8 litres": 1, "Crème brûlée rooibos": 2}
    (kettle,) = [unit for unit in units if unit["title"] == "Kettle, 0.8 litres"]
    assert (kettle["text"], kettle["attributes"]) == ("", {"quantity": "1"})
    (about,) = kettle["context"]
    assert (about["role"], about["title"], about["text"]) == ("object", "Kettle, 0.8 litres", "Kettle, 0.8 litres\n\nSteel, with a thin spout.")
    assert sorted(people_in_sequences(at).values()) == [2, 3]


def test_movielens_100k_is_read_as_it_is_published(spark: SparkSession, lake: LakeConfig, tmp_path: Path, shared_data: Path) -> None:
    dump, settings = shared_data / "movielens-100k", "movielens-100k.yaml"
    write_files(tmp_path, {settings: files_of(section_of("PLATFORMS.md", "generic"))[settings]})
    units = made_of(lake, tmp_path / settings, dump)
    assert (len(units), len({unit["unit_id"] for unit in units}), len({unit["user_id"] for unit in units})) == (100_000, 100_000, 943)
    films = {row.split("|")[0]: row.split("|")[1] for row in (dump / "u.item").read_text(encoding="latin-1").splitlines()}
    rated = [row.split("\t") for row in (dump / "u.data").read_text().splitlines()]
    assert any(not title.isascii() for title in films.values())
    told = Counter((films.get(film, "unknown"), rating, int(at)) for _, film, rating, at in rated)
    assert Counter((unit["title"], unit["attributes"]["rating"], int(unit["created_at"].timestamp())) for unit in units) == told
    assert {unit["text"] for unit in units} == {""}
    assert all(unit["root_state"] == ("present" if unit["thread_id"].partition(":")[2] in films else "missing") for unit in units)
    run(lake, "etl", "sequences", "--config", str(tmp_path / settings))
    people = people_in_sequences(lake)
    assert (len(people), sum(people.values())) == (943, 100_000)
    done = last_done_run(lake, "etl units")
    assert done is not None
    assert done.rows["unit_ids of several acts"] == 0


def test_objects_of_a_later_file_make_the_units_that_wait_for_them_and_give_others_their_new_name(
    spark: SparkSession, lake: LakeConfig, tmp_path: Path
) -> None:  # fmt: skip
    section = files_of(section_of("PLATFORMS.md", "Your own CSV in five minutes"))
    write_files(tmp_path, section)
    products = tmp_path / "shop" / "products.csv"
    header, sencha, *others = products.read_text(encoding="utf-8").splitlines()
    products.write_text(f"{header}\n{sencha}\n", encoding="utf-8")
    assert {unit["title"] for unit in made_of(lake, tmp_path / "shop.yaml", tmp_path / "shop")} == {"Sencha from Uji"}
    done = last_done_run(lake, "etl units")
    assert done is not None
    assert done.dropped == {"object": 1, "no title of its object": 3}

    write_files(tmp_path / "shop", {"products-more.csv": "\n".join([header, *others]) + "\n"})
    later = made_of(lake, tmp_path / "shop.yaml", tmp_path / "shop")
    at_once = LakeConfig(path=str(tmp_path / "at-once"), pseudonym_key_file=lake.pseudonym_key_file)
    assert sorted(later, key=str) == sorted(made_of(at_once, tmp_path / "shop.yaml", tmp_path / "shop"), key=str)
    assert len(later) == 5

    write_files(tmp_path / "shop", {"products2.csv": f"{header}\nt1,Sencha of this year,Green.\n"})
    renamed = made_of(lake, tmp_path / "shop.yaml", tmp_path / "shop")
    assert Counter(unit["title"] for unit in renamed)["Sencha of this year"] == 2  # of two copies of the product, that of the last file by name
    assert len(renamed) == 5
