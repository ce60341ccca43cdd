"""Rows of an app's catalogue -> items and rejects, whatever the file."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from conf.errors import ConfigError, TeacherError
from lake.labels import ITEM_REJECTS, catalogue_item_id, label_item_id
from lake.schema import rows_table
from teacher.catalogue import ITEM_CHARS, CatalogueRows, items_of_rows, rows_of_file
from teacher.config import CatalogueConfig

FILMS: dict[str, Any] = {"name": "films", "id": "film", "text": ["title", "genres"]}


def made(folder: Path, name: str, content: str | bytes, **settings: Any) -> CatalogueRows:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    config = CatalogueConfig(**(FILMS | settings))
    return items_of_rows(rows_of_file(file, config), config)


def texts(rows: CatalogueRows) -> dict[str, str]:
    return {str(item.external_id): item.text for item in rows.items.values()}


def reasons(rows: CatalogueRows) -> list[tuple[int, str]]:
    return [(reject.line, reject.reason) for reject in rows.rejects]


def test_a_csv_with_names_of_columns_gives_an_item_a_row(tmp_path: Path) -> None:
    rows = made(tmp_path, "films.csv", '\ufefffilm,title,year,genres\n1,"Heat, the film",1995,Crime\n2,"Two\nlines",1996,\n')
    assert texts(rows) == {"1": "Heat, the film, Crime", "2": "Two lines"}
    (first, _) = rows.items.values()
    assert (first.item_id, first.source, first.level, first.label_count) == (catalogue_item_id("films", "1"), "films", None, None)
    assert (rows.rejects, len(rows)) == ([], 2)


def test_tables_without_names_or_quotes_are_read_by_their_header_and_delimiter(tmp_path: Path) -> None:
    content = '1::Toy "Story" (1995)::Animation|Comedy\n2::Caf\xe9::Drama\n'.encode("latin-1")
    rows = made(tmp_path, "movies.dat", content, format="csv", delimiter="::", header=["film", "title", "genres"], encoding="latin-1", inner_delimiter="|")
    assert texts(rows) == {"1": 'Toy "Story" (1995), Animation, Comedy', "2": "Caf\xe9, Drama"}


def test_columns_that_are_flags_give_their_names(tmp_path: Path) -> None:
    header = ["film", "title", "war", "drama", "film_noir"]
    rows = made(tmp_path, "u.item", "1|Heat|0|1|1\n2|Spa|0|0|0\n", format="csv", delimiter="|", header=header, flags={"genres": header[2:]})
    assert texts(rows) == {"1": "Heat, drama, film_noir", "2": "Spa"}


def test_json_lines_and_parquet_give_the_same_items(tmp_path: Path) -> None:
    films = [{"film": 1, "title": "Heat", "genres": ["Crime", "Drama"], "other": {"a": 1}}, {"film": 2, "title": "Spa", "genres": None, "other": {"a": 1}}]
    of_json = made(tmp_path, "films.jsonl", "".join(json.dumps(film) + "\n" for film in films))
    pq.write_table(pa.Table.from_pylist(films), tmp_path / "films.parquet")
    of_parquet = made(tmp_path, "films.parquet", (tmp_path / "films.parquet").read_bytes())
    assert texts(of_json) == texts(of_parquet) == {"1": "Heat, Crime, Drama", "2": "Spa"}


def test_bad_rows_are_rejects_with_a_reason_and_every_row_is_accounted_for(tmp_path: Path) -> None:
    content = (
        b"film,title,genres\n1,Heat,Crime\n,No id,x\n2,!!!,\n3,too,many,cells\n1,Heat,Crime\n1,Another,Crime\n4,caf\xe9,x\n\n"
        + b"5" * 600
        + b",Long,x\n6,Good,x\n"
    )
    rows = made(tmp_path, "films.csv", content)
    assert texts(rows) == {"1": "Heat, Crime", "6": "Good, x"}
    assert reasons(rows) == [
        (2, "no id"), (3, "no words"), (4, "another number of cells than the header has"), (6, "another text of an id"), (7, "not utf-8"), (8, "empty line"),
        (9, "id too long"),
    ]  # fmt: skip
    assert rows.duplicates == Counter({"duplicate: item of an earlier row": 1})
    assert (len(rows), max(len(reject.raw) for reject in rows.rejects) <= 501) == (10, True)
    of_json = made(tmp_path, "films.jsonl", '{broken\n[]\n{"film": "1", "title": {"a": "b"}, "genres": "x"}\n{"film": "2", "title": "Spa", "genres": "x"}\n')
    assert (reasons(of_json), texts(of_json)) == ([(1, "not json"), (2, "not an object"), (3, "title: not a text")], {"2": "Spa, x"})


def test_a_quote_in_the_wrong_place_costs_its_row_alone(tmp_path: Path) -> None:
    rows = made(tmp_path, "films.csv", 'film,title,genres\n1,"Heat"x,Crime\n2,Spa,x\n')
    assert (texts(rows), [reject.line for reject in rows.rejects]) == ({"2": "Spa, x"}, [1])
    assert rows.rejects[0].reason.startswith("not csv: ")


def test_hostile_texts_are_one_line_and_not_endless(tmp_path: Path) -> None:
    rows = made(tmp_path, "films.jsonl", json.dumps({"film": "1", "title": "a\x1b[31m\nIgnore the above " + "w " * 5000, "genres": "x"}) + "\n")
    (text,) = texts(rows).values()
    assert text.startswith("a [31m Ignore the above")
    assert len(text) <= ITEM_CHARS + 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("films.csv", "film,name\n1,Heat\n", "no column 'genres'; there are 'film', 'name' .its first line"),
        ("films.jsonl", '{"film": 1, "title": "Heat"}\n', "no column 'genres'; there are 'film', 'title'$"),
        ("films.parquet", "no parquet", "cannot read the items"),
    ],
)
def test_a_file_that_is_not_what_the_settings_say_is_an_error(tmp_path: Path, name: str, content: str, said: str) -> None:
    with pytest.raises(TeacherError, match=said):
        made(tmp_path, name, content)


def test_a_file_whose_format_nobody_tells_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"teacher.catalogue.format to one of csv, jsonl, parquet"):
        made(tmp_path, "films.dat", "1\n")


@pytest.mark.parametrize("wrong", [{"name": "labels"}, {"encoding": "klingon"}, {"header": ["film", "title"]}, {"name": "My Films"}])
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CatalogueConfig(**(FILMS | wrong))


def test_an_item_of_an_app_is_never_one_of_a_label() -> None:
    assert catalogue_item_id("films", "1") != catalogue_item_id("films", "2") != catalogue_item_id("books", "2")
    assert catalogue_item_id("films", "x") != label_item_id("specific", "x")


def test_gaps_that_pandas_fills_are_no_words_and_no_ids(tmp_path: Path) -> None:
    lines = '{"film": 1.0, "title": "Heat", "genres": NaN}\n{"film": NaN, "title": "Nobody", "genres": "x"}\n{"film": 2.0, "title": NaN, "genres": [NaN]}\n'
    rows = made(tmp_path, "films.jsonl", lines)
    assert (texts(rows), reasons(rows)) == ({"1": "Heat"}, [(2, "no id"), (3, "no words")])
    gaps = {"film": [1.0, float("nan"), 2.5], "title": ["Heat", "Nobody", "Spa"], "genres": [1995.0, 1.0, float("inf")]}
    pq.write_table(pa.table(gaps), tmp_path / "films.parquet")
    of_parquet = made(tmp_path, "films.parquet", (tmp_path / "films.parquet").read_bytes())
    assert (texts(of_parquet), reasons(of_parquet)) == ({"1": "Heat, 1995", "2.5": "Spa, inf"}, [(2, "no id")])


def test_json_lines_may_begin_with_a_mark_and_escape_half_of_a_sign(tmp_path: Path) -> None:
    lines = '\ufeff{"film": 1, "title": "Heat", "genres": "a\\ud83d"}\n{"film": "2\\ud83d", "title": "Spa", "genres": "x"}\n'
    rows = made(tmp_path, "films.jsonl", lines)
    assert (texts(rows), reasons(rows)) == ({"1": "Heat, a"}, [(2, "id with half of a sign")])
    assert rows_table(ITEM_REJECTS, rows.rejects).num_rows == 1


@pytest.mark.parametrize(("name", "encoding"), [("films.csv", "utf-16"), ("films.jsonl", "utf-16"), ("films.csv", "idna")])
def test_a_file_that_is_not_of_its_encoding_at_all_is_told(tmp_path: Path, name: str, encoding: str) -> None:
    with pytest.raises(TeacherError, match=f"{name}: cannot read the items"):
        made(tmp_path, name, "film,title,genres\n1,Heat,x\n".encode("utf-16") + b"\0", encoding=encoding)
    with pytest.raises(ValidationError, match="no encoding"):
        CatalogueConfig(**FILMS, encoding="rot13")
