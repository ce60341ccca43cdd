"""Tables that settings describe: which column is what, what surrounded an act, and errors that say what to change."""

import csv
import gzip
import io
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from conf.errors import ArchiveError, ConfigError
from etl.ingest.file_counts import FileCounts
from etl.platforms import ParseSettings, checked_options
from etl.platforms.generic import FILES_CHECKED, PLATFORM
from etl.platforms.records import UNKNOWN_TIME
from etl.platforms.streams import WHOLE_FILE, FileSlice
from lake.acts import WORDS_OF_OBJECT
from lake.pseudonyms import pseudonym
from tests.pages import ROOT, files_of, section_of
from tests.parsed_dumps import parse_dump
from tests.unit.etl.platforms.any_lines import PIECES, fragments

PAGE = ROOT / "PLATFORMS.md"
KEY = bytes(range(32))
SETTINGS = ParseSettings(KEY, rejected_at=datetime(2024, 3, 1, tzinfo=UTC))
NOON = datetime(2023, 5, 1, 12, tzinfo=UTC)
ROW = {"who": "Ada", "at": "2023-05-01T12:00:00", "words": "Good tea."}
COLUMNS = {"user": "who", "time": "at", "text": "words"}


def source(files="*", columns=COLUMNS, **more):
    return {"files": files, "action": "review", "columns": columns} | more


def options(*sources, **more):
    return checked_options(PLATFORM, {"name": "shop", "sources": list(sources)} | more)


def as_csv(*rows: dict[str, Any], **dialect) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), **dialect)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_json_lines(*rows: dict[str, Any], ascii_only: bool = True) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=ascii_only).encode() + b"\n" for row in rows)


def as_parquet(*rows: dict[str, Any]) -> bytes:
    raw = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), raw)
    return raw.getvalue()


WRITERS = {"a.csv": as_csv, "a.jsonl": as_json_lines, "a.parquet": as_parquet}


def parsed(folder, name, content, *sources, part=WHOLE_FILE, **changes):
    """(acts, rejects) of one file of these bytes."""
    (folder / name).write_bytes(content)
    settings = replace(SETTINGS, options=options(*(sources or [source()])), **changes)
    (file,) = PLATFORM.input_files(str(folder), settings)
    counts, batches = FileCounts(), list(PLATFORM.parse(file, settings, part))
    for batch in batches:
        counts.add(batch, file)
    counts.check_lines(file)
    acts = [row | {"attributes": dict(row["attributes"])} for batch in batches for row in batch.acts.to_pylist()]
    return acts, [row for batch in batches for row in batch.rejects.to_pylist()]


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_fields_that_the_columns_name(tmp_path, name):
    row = ROW | {
        "head": "Tea", "no": "r1", "below": "r0", "start": "r0", "sitting": "s 1", "forum": "tea", "link": "https://example.org", "tongue": "en",
        "fate": "Kept", "stars": "5",
    }  # fmt: skip
    columns = COLUMNS | {
        "title": "head", "id": "no", "parent": "below", "thread": "start", "session": "sitting", "community": "forum", "url": "link", "language": "tongue",
        "state": "fate",
    }  # fmt: skip
    (act,), _ = parsed(tmp_path, name, WRITERS[name](row), source(columns=columns, attributes=["stars"]))
    told = ("platform", "unit_id", "user_id", "action", "created_at", "title", "text", "parent_unit_id", "thread_id", "community", "url", "language", "state")
    assert {column: act[column] for column in told} == {
        "platform": "shop", "unit_id": "shop:r1", "user_id": pseudonym(KEY, "shop", "ada"), "action": "review", "created_at": NOON, "title": "Tea",
        "text": "Good tea.", "parent_unit_id": "shop:r0", "thread_id": "shop:r0", "community": "tea", "url": "https://example.org", "language": "en",
        "state": "kept",
    }  # fmt: skip
    assert act["session_id"].startswith("shop:id_")  # an id with a blank in it is hashed
    assert act["attributes"] == {"stars": "5"}


@pytest.mark.parametrize("name", WRITERS)
def test_what_surrounded_acts_opens_their_thread_and_is_made_once(tmp_path, name):
    rows = [ROW | {"product": "Sencha", "about": "Green.", "maker": "Uji"}, ROW | {"who": "Bo", "product": "Sencha", "about": "Green.", "maker": "Uji"}]
    rows += [ROW | {"product": "Assam", "about": "Black.", "maker": ""}, ROW | {"product": "", "about": "", "maker": ""}]
    acts, _ = parsed(tmp_path, name, WRITERS[name](*rows), source(context={"title": "product", "text": ["about", "maker"]}, constants={"community": "tea"}))
    assert [(act["action"], act["line"]) for act in acts] == [
        ("object", 1), ("review", 2), ("review", 3), ("object", 4), ("review", 5), ("review", 6)
    ]  # fmt: skip
    sencha, first, second, assam, third, alone = acts
    assert (sencha["user_id"], sencha["created_at"], sencha["title"], sencha["text"]) == (None, UNKNOWN_TIME, "Sencha", "Green.\n\nUji")
    assert {act["thread_id"] for act in (sencha, first, second)} == {act["parent_unit_id"] for act in (first, second)} == {sencha["unit_id"]}
    assert {act["thread_group"] for act in (sencha, first, second)} == {sencha["thread_group"]}
    assert (third["thread_id"], assam["text"], assam["community"]) == (assam["unit_id"], "Black.", "tea")
    assert (alone["thread_id"], alone["parent_unit_id"]) == (None, None)


def test_a_context_with_an_id_is_one_whatever_its_words(tmp_path):
    rows = [ROW | {"product": "Sencha", "no": "7"}, ROW | {"product": "Sencha, new", "no": "7"}]
    acts, _ = parsed(tmp_path, "a.csv", as_csv(*rows), source(context={"title": "product", "id": "no"}))
    assert [(act["action"], act["thread_id"]) for act in acts] == [("object", "shop:object_7"), ("review", "shop:object_7"), ("review", "shop:object_7")]


def test_objects_of_a_table_of_their_own_are_named_by_id(tmp_path):
    products = source(action="object", columns={"id": "no", "title": "name"})
    (act,), _ = parsed(tmp_path, "a.csv", as_csv({"no": "7", "name": "Sencha"}), products)
    assert (act["unit_id"], act["thread_id"], act["user_id"], act["created_at"]) == ("shop:7", "shop:7", None, UNKNOWN_TIME)


def test_without_an_id_a_copy_of_a_row_is_the_same_act_and_gives_no_account_away(tmp_path):
    content = as_csv(ROW, ROW, ROW | {"who": "Bo"}, ROW | {"words": "Bad tea."}, ROW | {"at": "2023-05-01T12:00:01"})
    ids = [act["unit_id"] for act in parsed(tmp_path, "a.csv", content)[0]]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    assert parsed(tmp_path, "a.csv", content, key=b"another key" * 3)[0][0]["unit_id"] not in ids


@pytest.mark.parametrize("column", ["thread", "parent", "session", "community", "url"])
def test_without_an_id_whatever_makes_an_act_goes_into_its_id(tmp_path, column):
    content = as_csv(ROW | {"of": "1", "stars": "5"}, ROW | {"of": "2", "stars": "5"}, ROW | {"of": "2", "stars": "4"})
    acts, _ = parsed(tmp_path, "a.csv", content, source(columns=COLUMNS | {column: "of"}, attributes=["stars"]))
    one, two, same_with_another_fact = [act["unit_id"] for act in acts]
    assert one != two == same_with_another_fact


def test_without_ids_acts_and_objects_of_the_same_words_in_two_communities_are_two(tmp_path):
    rows = [ROW | {"product": "Sencha", "shop": "Uji"}, ROW | {"product": "Sencha", "shop": "Kyoto"}]
    acts, _ = parsed(tmp_path, "a.csv", as_csv(*rows), source(columns=COLUMNS | {"community": "shop"}, context={"title": "product"}))
    assert [act["action"] for act in acts] == ["object", "review"] * 2
    assert len({act["unit_id"] for act in acts}) == 4
    as_search, _ = parsed(tmp_path, "a.csv", as_csv(*rows), source(action="search", columns=COLUMNS | {"community": "shop"}, context={"title": "product"}))
    assert {act["unit_id"] for act in as_search} & {act["unit_id"] for act in acts} == {act["unit_id"] for act in acts if act["action"] == "object"}


def test_where_one_value_ends_and_the_next_begins_makes_another_id(tmp_path):
    rows = [ROW | {"head": "a\0b", "words": "c"}, ROW | {"head": "a", "words": "b\0c"}]
    first, second = parsed(tmp_path, "a.jsonl", as_json_lines(*rows), source(columns=COLUMNS | {"title": "head"}))[0]
    assert first["unit_id"] != second["unit_id"]


@pytest.mark.parametrize(("name", "write"), [("a.csv", as_csv), ("a.jsonl", lambda *rows: as_json_lines(*rows, ascii_only=False))])
def test_other_encodings_are_read_and_rows_that_are_not_of_theirs_are_rejects(tmp_path, name, write):
    rows = [ROW | {"words": "Thé vert."}, ROW | {"words": "Good."}, ROW | {"words": "Été"}]
    in_utf_8 = write(*rows)
    assert [act["text"] for act in parsed(tmp_path, name, in_utf_8)[0]] == ["Thé vert.", "Good.", "Été"]
    in_latin_1 = in_utf_8.decode().encode("latin-1")
    assert [act["text"] for act in parsed(tmp_path, name, in_latin_1, source(encoding="latin-1"))[0]] == ["Thé vert.", "Good.", "Été"]
    acts, rejects = parsed(tmp_path, name, in_latin_1)
    assert [(act["text"], act["line"]) for act in acts] == [("Good.", 2)]
    assert [(reject["line"], reject["reason"]) for reject in rejects] == [(1, "not utf-8"), (3, "not utf-8")]
    assert "Th\ufffd vert." in rejects[0]["raw"]
    assert parsed(tmp_path, name, in_latin_1, block_bytes=1) == (acts, rejects)


def test_a_quoted_cell_over_several_lines_is_refused_with_the_line_that_cannot_be_decoded(tmp_path):
    content = b'who,at,words\nAda,2023-05-01,"two\nl\xeenes\n"\nAda,2023-05-01,good\n'
    acts, rejects = parsed(tmp_path, "a.csv", content)
    assert [(act["text"], act["line"]) for act in acts] == [("good", 2)]
    assert [(reject["line"], reject["reason"], reject["raw"]) for reject in rejects] == [(1, "not utf-8", 'Ada,2023-05-01,"two\nl\ufffdnes\n"')]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "UTF8"])
def test_the_mark_of_utf_8_is_passed_over_at_the_beginning_alone(tmp_path, encoding):
    (act,), _ = parsed(tmp_path, "a.csv", b"\xef\xbb\xbf" + as_csv(ROW | {"words": "\ufefftea"}), source(encoding=encoding), block_bytes=1)
    assert act["text"] == "\ufefftea"


@pytest.mark.parametrize("encoding", ["cp1252", "shift_jis", "gb18030", "iso2022_jp", "koi8-r", "johab"])
def test_encodings_of_one_and_of_several_bytes_are_read_line_by_line(tmp_path, encoding):
    words = {"cp1252": "Crème – brûlée", "koi8-r": "Зелёный чай", "johab": "녹차"}.get(encoding, "緑茶|ソ表\\")
    content = as_csv(*[ROW | {"words": f"{words} {number}"} for number in range(3)]).decode().encode(encoding)
    acts, _ = parsed(tmp_path, "a.csv", content, source(encoding=encoding), block_bytes=1)
    assert [act["text"] for act in acts] == [f"{words} {number}" for number in range(3)]


RATINGS = {"format": "csv", "header": ["user", "film", "stars", "at"], "columns": {"user": "user", "time": "at", "text": "film"}, "time_format": "seconds"}


@pytest.mark.parametrize("delimiter", ["\t", "|", "::", "<->"])
def test_a_table_without_names_of_columns_is_read_by_those_of_its_source(tmp_path, delimiter):
    rows = [["Ada", 'Tea "for" two', "5", "1682942400"], ["Bo", '"Quoted"', "3", "1682942400"], ["Ada", "Tea"], [""]]
    content = "\r\n".join(delimiter.join(row) for row in rows) + "\r\n"
    settings = RATINGS | {"delimiter": delimiter, "attributes": ["stars"]}
    acts, rejects = parsed(tmp_path, "u.data", content.encode(), source(quotes=False, **settings))
    assert [(act["line"], act["text"], act["attributes"], act["created_at"]) for act in acts] == [
        (1, 'Tea "for" two', {"stars": "5"}, NOON), (2, '"Quoted"', {"stars": "3"}, NOON)
    ]  # fmt: skip
    assert [(reject["line"], reject["reason"]) for reject in rejects] == [(3, "another number of cells than the header has"), (4, "empty line")]
    with_quotes, _ = parsed(tmp_path, "u.data", content.encode(), source(**settings))
    assert with_quotes[1]["text"] == ('"Quoted"' if len(delimiter) > 1 else "Quoted")


def test_movielens_1m_is_read_as_it_is_published_by_the_settings_that_the_page_shows(tmp_path):
    shown = files_of(section_of("PLATFORMS.md", "generic"))["movielens-1m.yaml"]
    settings = replace(SETTINGS, options=checked_options(PLATFORM, yaml.safe_load(shown)["etl"]["platforms"]["generic"]))
    films = {"1": 'Tea "Ceremony" (1995)', "30": "Été, L' (1996)"}
    (tmp_path / "movies.dat").write_text("".join(f"{film}::{title}::Drama|Comedy\n" for film, title in films.items()), encoding="latin-1")
    (tmp_path / "ratings.dat").write_text("7::30::5::1682942400\n7::1::4::1682942400\n")
    parsed_files = parse_dump(PLATFORM, tmp_path, settings)
    assert parsed_files.rejects == []
    objects, ratings = ([act for act in parsed_files.acts if act["action"] == action] for action in ("object", "rating"))
    assert [(act["unit_id"], act["title"], act["text"]) for act in objects] == [
        (f"movielens-1m:{film}", title, "Drama|Comedy") for film, title in films.items()
    ]  # fmt: skip
    assert [(act["thread_id"], act["thread_group"], act["created_at"]) for act in ratings] == [
        (act["unit_id"], act["thread_group"], NOON) for act in reversed(objects)
    ]  # fmt: skip
    assert [act["attributes"] for act in ratings] == [{"rating": "5", WORDS_OF_OBJECT: "true"}, {"rating": "4", WORDS_OF_OBJECT: "true"}]
    assert len({act["unit_id"] for act in ratings}) == len({act["user_id"] for act in ratings}) + 1 == 2


def test_a_row_without_words_asks_for_those_of_its_object_where_its_source_says_so(tmp_path):
    rows = [ROW | {"words": "", "film": "1"}, ROW | {"film": "1"}, ROW | {"words": " ", "film": ""}]
    usual = source(columns=COLUMNS | {"thread": "film"})
    asking = parsed(tmp_path, "a.csv", as_csv(*rows), usual | {"words": "object"})[0]
    assert [act["attributes"] for act in asking] == [{"words_of_object": "true"}, {}, {"words_of_object": "true"}]
    stand_in = parsed(tmp_path, "a.csv", as_csv(*rows), usual | {"words": "object", "constants": {"title": "a film"}})[0]
    assert [(act["title"], act["attributes"]) for act in stand_in[:2]] == [("a film", {"words_of_object": "true"}), ("a film", {})]
    assert [act["attributes"] for act in parsed(tmp_path, "a.csv", as_csv(*rows), usual)[0]] == [{}, {}, {}]


def faults(folder, *sources):
    """Fault of each file by its name, as the listing of the dump tells it."""
    return {file.source_file: file.fault and str(file.fault) for file in PLATFORM.input_files(str(folder), replace(SETTINGS, options=options(*sources)))}


def test_files_that_lack_a_column_are_known_when_they_are_listed(tmp_path):
    for name, write in WRITERS.items():
        (tmp_path / f"good-{name}").write_bytes(write(ROW))
        (tmp_path / f"bad-{name}").write_bytes(write({"who": "Ada", "at": "2023-05-01", "wods": "tea"}))
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1")
    (tmp_path / "latin.csv").write_bytes("who,at,words,prénom\n".encode("latin-1"))
    (tmp_path / "excel.csv").write_bytes("who,at,words\n".encode("utf-16"))
    told = faults(tmp_path, source())
    assert {name for name, fault in told.items() if fault is None} == {
        "good-a.csv", "good-a.jsonl", "good-a.parquet", "bad-a.jsonl", "damaged.parquet"
    }  # fmt: skip
    assert told["bad-a.csv"] == "bad-a.csv: has no column 'words'; there are 'who', 'at', 'wods'"
    assert told["bad-a.parquet"] == "bad-a.parquet: has no column 'words'; there are 'who', 'at', 'wods'"
    assert "is empty" in told["empty.csv"]
    assert told["latin.csv"] == "latin.csv: its first line is not utf-8; set the source's encoding, e.g. latin-1"
    assert told["excel.csv"] == "excel.csv: its first line is not utf-8; convert it (iconv -f utf-16 -t utf-8)"


def test_of_a_source_with_many_files_the_first_are_looked_at(tmp_path):
    for number in range(FILES_CHECKED + 5):
        (tmp_path / f"{number:03}.csv").write_bytes(b"who,at\n")
    assert [fault is not None for fault in faults(tmp_path, source()).values()] == [True] * FILES_CHECKED + [False] * 5


def test_a_row_in_the_place_of_names_of_columns_is_told_without_what_stands_in_it(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"Ada Lovelace,42,1682942400\n")
    assert faults(tmp_path, source())["a.csv"] == (
        "a.csv: has no column 'at'; its first line seems to be a row: give the names of its columns as the source's header"
    )


@pytest.mark.parametrize(
    ("value", "settings", "moment"),
    [
        ("2023-05-01 12:00:00", {}, NOON),
        ("2023-05-01T12:00:00Z", {}, NOON),
        ("2023-05-01T14:00:00+02:00", {}, NOON),
        ("2023-05-01T14:00:00", {"time_zone": "Europe/Paris"}, NOON),
        ("2023-05-01T12:00:00Z", {"time_zone": "Europe/Paris"}, NOON),
        ("1682942400", {"time_format": "seconds"}, NOON),
        ("1682942400000", {"time_format": "milliseconds"}, NOON),
        ("01.05.2023 12:00", {"time_format": "%d.%m.%Y %H:%M"}, NOON),
        ("May 1, 2023", {"time_format": "%B %d, %Y"}, datetime(2023, 5, 1, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_the_format_says(tmp_path, value, settings, moment):
    assert parsed(tmp_path, "a.csv", as_csv(ROW | {"at": value}), source(**settings))[0][0]["created_at"] == moment


@pytest.mark.parametrize("value", [NOON, NOON.replace(tzinfo=None), pa.scalar(NOON, pa.timestamp("ns", "UTC")), date(2023, 5, 1)])
def test_times_of_parquet_need_no_format(tmp_path, value):
    column = pa.array([value], type=value.type) if isinstance(value, pa.Scalar) else pa.array([value])
    raw = io.BytesIO()
    pq.write_table(pa.table({"who": ["Ada"], "at": column, "words": ["tea"]}), raw)
    (act,), _ = parsed(tmp_path, "a.parquet", raw.getvalue())
    assert act["created_at"] == (NOON if type(value) is not date else datetime(2023, 5, 1, tzinfo=UTC))


def test_fields_inside_others_are_named_with_dots(tmp_path):
    row = {"author": {"name": "Ada"}, "meta": {"when": {"at": 1682942400}}, "words": ["Good", "tea", 3], "a.b": "by its very name"}
    columns = {"user": "author.name", "time": "meta.when.at", "text": "words", "title": "a.b"}
    (act,), _ = parsed(tmp_path, "a.jsonl", as_json_lines(row), source(columns=columns, time_format="seconds"))
    assert (act["user_id"], act["text"], act["title"]) == (pseudonym(KEY, "shop", "ada"), "Good, tea, 3", "by its very name")
    row |= {"words": "Good"}
    (act,), _ = parsed(tmp_path, "a.jsonl", as_json_lines(row), source(columns=columns, time_format="seconds"))
    (tmp_path / "a.jsonl").unlink()
    assert act == parsed(tmp_path, "a.parquet", as_parquet(row), source(columns=columns, time_format="seconds"))[0][0] | {"source_file": "a.jsonl"}


def test_a_blank_user_is_nobody_and_words_that_were_taken_away_do_not_stay(tmp_path):
    rows = [ROW | {"who": "", "fate": ""}, ROW | {"fate": "REMOVED"}]
    nobody, removed = parsed(tmp_path, "a.csv", as_csv(*rows), source(columns=COLUMNS | {"state": "fate"}))[0]
    assert (nobody["user_id"], nobody["state"], nobody["text"]) == (None, "kept", "Good tea.")
    assert (removed["state"], removed["text"]) == ("removed", None)


@pytest.mark.parametrize(("name", "pack"), [("a.tsv", bytes), ("a.tsv.gz", gzip.compress), ("a.tsv.zst", zstandard.compress)])
def test_tables_may_be_parted_by_tabs_and_compressed(tmp_path, name, pack):
    (act,), _ = parsed(tmp_path, name, pack(b"\xef\xbb\xbf" + as_csv(ROW, delimiter="\t")))
    assert act["text"] == "Good tea."


def test_rows_of_csv_are_counted_by_record_and_bad_ones_told_with_their_reason_and_as_they_stood(tmp_path):
    rows = [
        'Ada,2023-05-01,"two\nlines"', "Ada,2023-05-01", "Ada,01/05/2023,US", 'Ada,2023-05-01,"a"b', "", "Ada,2023-05-01,x\0y", "Ada,2023-05-01,t,Burnt"
    ]  # fmt: skip
    acts, rejects = parsed(tmp_path, "a.csv", ("who,at,words\n" + "\r\n".join(rows)).encode())
    assert [(act["line"], act["text"]) for act in acts] == [(1, "two\nlines"), (6, "xy")]
    numbers = "another number of cells than the header has"
    assert [(reject["line"], reject["reason"]) for reject in rejects] == [
        (2, numbers), (3, "at: not of the time format"), (4, "not csv: ',' expected after '\"'"), (5, "empty line"), (7, numbers)
    ]  # fmt: skip
    assert [reject["raw"] for reject in rejects] == [rows[1], rows[2], rows[3], "", rows[6]]
    assert rejects[1]["user_id"] == pseudonym(KEY, "shop", "ada")


def test_values_that_are_no_text_are_rejects(tmp_path):
    rows = [ROW, ROW | {"words": {"html": "tea"}}, ROW | {"words": [["tea"]]}, ROW | {"fate": "burnt"}, ROW | {"at": None}]
    acts, rejects = parsed(tmp_path, "a.jsonl", as_json_lines(*rows), source(columns=COLUMNS | {"state": "fate"}))
    assert len(acts) == 1
    reasons = ["words: not a text", "words: not a text", "fate: neither kept, deleted nor removed", "at: not of the time format"]
    assert [reject["reason"] for reject in rejects] == reasons


def test_all_of_a_file_is_in_the_first_slice(tmp_path):
    assert len(parsed(tmp_path, "a.csv", as_csv(ROW), part=FileSlice(0, 2))[0]) == 1
    assert parsed(tmp_path, "a.csv", as_csv(ROW), part=FileSlice(1, 2)) == ([], [])


@pytest.mark.parametrize(
    ("name", "content", "settings", "message"),
    [
        ("a.csv", as_csv(ROW), {"columns": COLUMNS | {"text": "wods"}}, r"a\.csv: has no column 'wods'; there are 'who', 'at', 'words'$"),
        ("a.parquet", as_parquet(ROW), {"columns": COLUMNS | {"text": "words.en"}}, r"a\.parquet: has no column 'words\.en'; there are 'who', 'at', 'words'$"),
        ("a.jsonl", as_json_lines(ROW), {"columns": COLUMNS | {"text": "wods"}}, r"a\.jsonl: has no column 'wods'; there are 'who', 'at', 'words'$"),
        ("a.csv", as_csv(ROW, delimiter=";"), {}, r"there are 'who;at;words'; its first line has ';' in it: set the source's delimiter"),
        ("a.csv", b"who,at,words,words\n", {}, r"several columns are called 'words'"),
        ("a.csv", as_csv(ROW | {"at": "1.5.23"}), {}, r"no 'at' is a time of time_format 'iso'; the first is '1\.5\.23'"),
        ("a.csv", as_csv(ROW)[:-2] + b'x"\nAda,2023-05-01,"never closed\nand more\n', {}, r"a\.csv: ends inside a quoted cell"),
        ("a.csv", b"", {}, r"a\.csv: is empty"),
        ("a.csv", b"\n", {}, r"a\.csv: has no column 'at'; there are none"),
        ("a.csv.gz", gzip.compress(as_csv(ROW))[:-9], {}, r"a\.csv\.gz: cannot be decoded to its end"),
        ("a.parquet", as_parquet(ROW)[:-9], {}, r"a\.parquet: cannot be read to its end"),
        ("a.parquet", b"who,at,words\n", {}, r"a\.parquet: cannot be read to its end"),
        ("a.parquet", b"", {}, r"a\.parquet: cannot be read to its end"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_right_is_named_with_what_is_wrong(tmp_path, name, content, settings, message):
    with pytest.raises(ArchiveError, match=message):
        parsed(tmp_path, name, content, source(**settings))


def test_text_that_is_not_utf_8_and_times_beyond_all_years_are_named_errors(tmp_path):
    words = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())
    for column, value in (("words", words), ("at", pa.array([2**62], pa.timestamp("us")))):
        raw = io.BytesIO()
        pq.write_table(pa.table({"who": ["Ada"], "at": pa.array([NOON]), "words": ["tea"]} | {column: value}), raw)
        with pytest.raises(ArchiveError, match=r"a\.parquet: "):
            parsed(tmp_path, "a.parquet", raw.getvalue())


def test_a_parquet_file_that_changed_while_it_was_read_is_an_error(tmp_path):
    (tmp_path / "a.parquet").write_bytes(as_parquet(ROW))
    settings = replace(SETTINGS, options=options(source()))
    (file,) = PLATFORM.input_files(str(tmp_path), settings)
    with pytest.raises(ArchiveError, match=r"a\.parquet: changed while it was read"):
        list(PLATFORM.parse(replace(file, sha256="0" * 64), settings))


@pytest.mark.parametrize("name", WRITERS)
def test_a_row_of_100_mb_is_a_reject_or_a_named_error(tmp_path, name):
    content = WRITERS[name](ROW, ROW | {"words": "x" * 100_000_000})
    if name == "a.parquet":
        acts, rejects = parsed(tmp_path, name, content)
        assert (len(acts), [reject["reason"] for reject in rejects]) == (1, ["words: too long"])
    else:
        with pytest.raises(ArchiveError, match="is longer than 67,108,864"):
            parsed(tmp_path, name, content)


def test_a_csv_row_that_never_ends_is_a_named_error(tmp_path):
    content = b"who,at,words\n" + b'"x\n",' * 14_000_000
    with pytest.raises(ArchiveError, match=r"a\.csv: a row is longer than 67,108,864 characters; look for a quote"):
        parsed(tmp_path, "a.csv", content)


def test_files_that_no_source_names_are_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    assert len(parsed(tmp_path, "a.csv", as_csv(ROW), source("*.csv"))[0]) == 1


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([source("*.csv"), source("b/*")], r"sources\.1\.files: 'b/\*' is none of the 1 files below .*, which are a\.csv"),
        ([source("*.csv"), source("a*")], r"a\.csv: belongs to two sources, .*sources\.0\.files and .*sources\.1\.files"),
    ],
)
def test_files_and_sources_must_fit(tmp_path, sources, message):
    with pytest.raises(ConfigError, match=message):
        parsed(tmp_path, "a.csv", as_csv(ROW), *sources)


def test_only_csv_has_a_header_of_its_source(tmp_path):
    with pytest.raises(ConfigError, match=r"header is of csv alone, which a\.jsonl is not by its suffix"):
        parsed(tmp_path, "a.jsonl", as_json_lines(ROW), source(header=["who", "at", "words"]))


def test_a_suffix_that_tells_no_format_needs_a_setting(tmp_path):
    with pytest.raises(ConfigError, match=r"the suffix of a\.log tells no format; set the source's format"):
        parsed(tmp_path, "a.log", as_csv(ROW))
    assert len(parsed(tmp_path, "a.log", as_csv(ROW), source(format="csv"))[0]) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "My Shop"}, r"generic\.name: String should match"),
        ({"name": "reddit"}, r"generic\.name: .*name of a platform with a parser of its own"),
        ({"sources": []}, r"generic\.sources: "),
        ({"sources": [source(colums={})]}, r"unknown key etl\.platforms\.generic\.sources\.0\.colums"),
        ({"sources": [source(columns=COLUMNS | {"test": "x"})]}, r"unknown key etl\.platforms\.generic\.sources\.0\.columns\.test"),
        ({"sources": [source(columns={"user": "who", "text": "words"})]}, "expected columns.user and columns.time"),
        ({"sources": [source(columns={"user": "who", "time": "at"})]}, "expected columns.title or columns.text"),
        ({"sources": [source(columns=COLUMNS | {"thread": "t"}, context={"text": "q"})]}, "columns.thread and context exclude each other"),
        ({"sources": [source(context={"id": "no"})]}, "expected a column as title or text"),
        ({"sources": [source(action="object")]}, "an object is nobody's act"),
        ({"sources": [source(action="object", columns={"title": "t"})]}, r"expected columns\.id of an object"),
        ({"sources": [source(columns=COLUMNS | {"url": "u"}, constants={"url": "x"})]}, "both a column and a constant: url"),
        ({"sources": [source(attributes=["who"])]}, "columns.user is another column, too"),
        ({"sources": [source(context={"text": "who"})]}, "columns.user is another column, too"),
        ({"sources": [source(columns=COLUMNS | {"id": "who"})]}, "columns.user is another column, too"),
        ({"sources": [source(time_format="dd.mm.yyyy")]}, r"time_format: .*expected iso, seconds, milliseconds or a pattern"),
        ({"sources": [source(time_format="%d.%Q")]}, "time_format: .*no pattern of a time"),
        ({"sources": [source(time_zone="Paris")]}, r"time_zone: .*no time zone"),
        ({"sources": [source(format="xlsx")]}, r"format: .*'csv', 'jsonl' or 'parquet'"),
        ({"sources": [source(encoding="latin-9000")]}, r"encoding: .*no encoding; expected a name such as 'utf-8', 'latin-1'"),
        ({"sources": [source(encoding="rot13")]}, r"encoding: .*no encoding"),
        ({"sources": [source(encoding="idna")]}, r"encoding: .*no encoding"),
        ({"sources": [source(encoding="utf-16")]}, r"encoding: .*lines cannot be told in it; convert the file first \(iconv -f utf-16 -t utf-8\)"),
        ({"sources": [source(encoding="iso2022_kr")]}, r"encoding: .*lines cannot be told in it"),
        ({"sources": [source(encoding="raw_unicode_escape")]}, r"encoding: .*lines cannot be told in it"),
        ({"sources": [source(delimiter=r"\t")]}, r'delimiter: .*a tab is written as "\\t" in double quotes'),
        ({"sources": [source(delimiter="\n")]}, r"delimiter: .*no delimiter"),
        ({"sources": [source(delimiter='"')]}, r"delimiter: .*no delimiter"),
        ({"sources": [source(delimiter="")]}, r"delimiter: "),
        ({"sources": [source(header=[])]}, r"header: "),
        ({"sources": [source(header=["who", "at", "words", "who"])]}, r"header: 'who' stands there twice"),
        ({"sources": [source(header=["who", "at"])]}, r"no column 'words' in header, which names 'who', 'at'"),
        ({"sources": [source(header=["who", "at", "words"], format="parquet")]}, r"header: only csv comes without names of columns"),
        ({"sources": [source(words="objects")]}, r"words: .*'own' or 'object'"),
        ({"sources": [source(words="object")]}, r"words: object is of acts whose thread an object opens"),
        ({"sources": [source(action="object", columns={"id": "no", "title": "t"}, words="object")]}, r"words: object is of acts"),
        ({"sources": [source(attributes=["words_of_object"])]}, r"attributes: 'words_of_object' is kept for"),
        ({"sources": [source(attributes=["user_name"])]}, r"attributes: 'user_name' is the account's name"),
    ],
)
def test_settings_that_cannot_be_right_are_told_by_their_key(changes, message):
    with pytest.raises(ConfigError, match=message):
        options(source(), **changes)


@pytest.mark.parametrize("shown", re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
def test_the_settings_that_the_page_shows_are_right(shown):
    assert len(checked_options(PLATFORM, yaml.safe_load(shown)["etl"]["platforms"]["generic"]).sources) == 2


pieces = st.lists(st.sampled_from([*PIECES, '"', ",", "\n", "\r\n", "Ada,2023-05-01,tea\n", 'Ada,2023-05-01,"tea\n"\n', "\ud800"]), max_size=12).map("".join)
json_rows = st.dictionaries(st.sampled_from(["who", "at", "words", "stars"]), fragments).map(
    lambda row: "{" + ", ".join(f'"{name}": {value}' for name, value in row.items()) + "}\n"
)


@given(
    content=pieces | st.lists(json_rows | pieces, max_size=4).map("".join), odd=st.binary(max_size=3), name=st.sampled_from(["a.csv", "a.jsonl"]),
    good=st.booleans(), encoding=st.sampled_from(["utf-8", "latin-1", "cp1252", "shift_jis"]), settings=st.sampled_from([{}, {"quotes": False}]),
    block_bytes=st.sampled_from([1, 2**20]),
)  # fmt: skip
def test_whatever_a_file_holds_every_row_is_an_act_or_a_reject_or_the_file_is_named(
    tmp_path_factory, content, odd, name, good, encoding, settings, block_bytes
):  # fmt: skip
    folder = tmp_path_factory.mktemp("any")
    everything = (WRITERS[name](ROW) if good else b"") + odd + content.encode("utf-8", "surrogatepass") + odd
    why = ""
    try:
        attributes = ["stars"] if name == "a.jsonl" else []
        acts, rejects = parsed(folder, name, everything, source(attributes=attributes, encoding=encoding, **settings), block_bytes=block_bytes)
    except ArchiveError as error:
        why = str(error)
    assert name in why if why else sorted(row["line"] for row in (*acts, *rejects)) == list(range(1, len(acts) + len(rejects) + 1))
    assert why or len(acts) >= good
