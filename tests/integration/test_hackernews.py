"""Hacker News' items become acts in their threads, in every form in which they are handed out."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.errors import ArchiveError
from etl.platforms import InputFile, checked_options, find_platform
from etl.platforms.hackernews import PLATFORM
from lake.pseudonyms import pseudonym
from tests.data.pack_dump import pack
from tests.parsed_dumps import KEY, SETTINGS, parse_dump, parse_file

FIXTURES = Path(__file__).parents[1] / "data" / "hackernews"
BIGQUERY_SCHEMA = pa.schema(
    {name: pa.string() for name in ("title", "url", "text", "by", "type")}
    | {name: pa.int64() for name in ("score", "time", "id", "parent", "descendants", "ranking")}
    | {"dead": pa.bool_(), "deleted": pa.bool_(), "timestamp": pa.timestamp("us", "UTC")}
)
ROW = {"id": 7, "type": "comment", "by": "ada", "time": 1_288_000_000, "text": "words", "parent": 5}


@pytest.fixture(scope="module")
def fixtures():
    return parse_dump(PLATFORM, FIXTURES)


def written(folder: Path, *rows: dict, name: str = "items.jsonl") -> Path:
    pack("".join(json.dumps(row) + "\n" for row in rows).encode(), folder / name)
    return folder


def as_parquet(folder: Path, rows: list[dict], name: str = "items.parquet") -> Path:
    pq.write_table(pa.Table.from_pylist(rows, schema=BIGQUERY_SCHEMA), folder / name)
    return folder


def test_odd_characters_are_replaced_and_counted(tmp_path):
    parsed = parse_dump(PLATFORM, written(tmp_path, ROW | {"text": "lone \ud800 surrogate"}))
    assert [act["text"] for act in parsed.acts] == ["lone \ufffd surrogate"]
    assert parsed.counts.casts == {"line: lone surrogate": 1}


def test_it_is_found_by_its_name_and_takes_items_alone():
    assert find_platform("hackernews") is PLATFORM
    assert [(file.source_file, file.kind) for file in PLATFORM.input_files(str(FIXTURES), SETTINGS)] == [
        ("api.jsonl", "json lines"), ("bigquery-000000000000.json", "json lines"),
    ]  # fmt: skip


def test_a_story_opens_a_thread_and_links(fixtures):
    story = fixtures.by_id["2000100"]
    assert (story["action"], story["title"], story["text"], story["url"]) == ("post", "Show HN: A teapot that doesn't drip", None, "https://example.org/teapot")
    assert (story["thread_id"], story["parent_unit_id"], story["thread_group"]) == ("hackernews:2000100", None, "2")
    assert (story["user_id"], story["community"], story["created_at"]) == (
        pseudonym(KEY, "hackernews", "amber_heron"), "Hacker News", datetime.fromtimestamp(1_288_000_000, UTC),
    )  # fmt: skip
    assert story["attributes"] == {"type": "story", "score": "57", "descendants": "5"}


def test_html_becomes_words(fixtures):
    expected = "Mine drips & always did.\n\nSee https://example.org/a-lo...\n\n  if (drip) {\n    wipe();\n  }"
    assert fixtures.by_id["2000101"]["text"] == expected


def test_html_is_kept_only_where_that_is_asked_for(fixtures):
    assert {act["source_text"] for act in fixtures.acts} == {None}
    settings = replace(SETTINGS, options=checked_options(PLATFORM, {"keep_html": True}))
    kept = parse_dump(PLATFORM, FIXTURES, settings).by_id
    assert kept["2000102"]["source_text"] == "Then it&#x27;s <i>not</i> the spout."
    assert (kept["2000100"]["source_text"], kept["3000002"]["source_text"]) == (None, None)


def test_threads_are_looked_up_in_all_files_and_show_where_the_dump_ends(fixtures):
    places = {name: (act["parent_unit_id"], act["thread_id"], act["thread_group"]) for name, act in fixtures.by_id.items()}
    assert places["2000102"] == ("hackernews:2000101", "hackernews:2000100", "2")
    assert places["3000003"] == ("hackernews:2000103", "hackernews:2000100", "2"), "through a deleted comment of another file"
    assert places["3000005"] == ("hackernews:1900000", "hackernews:1900000", "1"), "its parent is in no file"
    assert places["3000006"] == ("hackernews:3000005", "hackernews:1900000", "1")


def test_polls_options_and_jobs(fixtures):
    poll, option, job = (fixtures.by_id[name] for name in ("2000105", "2000106", "3000001"))
    assert (poll["action"], poll["attributes"]["type"], poll["title"], poll["text"]) == ("post", "poll", "Poll: Green or black?", "Vote below.")
    assert (option["action"], option["text"], option["parent_unit_id"], option["thread_id"]) == ("option", "Green", "hackernews:2000105", "hackernews:2000105")
    assert (job["action"], job["attributes"]["type"], job["thread_group"]) == ("post", "job", "3")


def test_what_was_taken_away_has_no_words_unless_that_is_asked_for(fixtures):
    states = {name: (fixtures.by_id[name]["state"], fixtures.by_id[name]["text"]) for name in ("2000103", "2000104", "3000002")}
    assert states == {"2000103": ("deleted", None), "2000104": ("removed", None), "3000002": ("removed", None)}
    kept = parse_dump(PLATFORM, FIXTURES, replace(SETTINGS, honour_deletions=False)).by_id
    assert (kept["3000002"]["text"], kept["2000104"]["state"]) == ("Words that moderators took away.", "removed")


def test_what_is_no_item_is_counted_and_what_is_damaged_is_a_reject(fixtures):
    assert (fixtures.counts.lines, fixtures.counts.left_out) == (13, {"no item": 2})
    (reject,) = fixtures.rejects
    assert (reject["reason"], reject["line"], reject["user_id"]) == ("id: not as expected", 4, pseudonym(KEY, "hackernews", "broken"))


@pytest.mark.parametrize("slices", [2, 5])
def test_slices_share_out_the_lines_and_their_numbers(fixtures, slices):
    in_slices = parse_dump(PLATFORM, FIXTURES, replace(SETTINGS, block_bytes=200), slices)
    assert sorted(in_slices.acts, key=lambda act: act["unit_id"]) == sorted(fixtures.acts, key=lambda act: act["unit_id"])
    assert in_slices.rejects == fixtures.rejects


@pytest.mark.parametrize("suffix", [".json.gz", ".jsonl.zst", ".ndjson", ".json.bz2", ".json.xz"])
def test_compressed_lines_are_the_same(tmp_path, suffix):
    written(tmp_path, ROW, name=f"items{suffix}")
    assert [act["unit_id"] for act in parse_dump(PLATFORM, tmp_path).acts] == ["hackernews:7"]


def test_parquet_is_the_same_as_lines(tmp_path):
    rows = [ROW | {"id": 8}, ROW | {"id": 9, "type": "story", "title": "t", "parent": None}, ROW | {"id": 10, "parent": 9, "dead": True}]
    (tmp_path / "lines").mkdir()
    (tmp_path / "columns").mkdir()
    of_lines = parse_dump(PLATFORM, written(tmp_path / "lines", *rows, name="x.json")).acts
    odd = [{"type": "comment_ranking", "id": 11}, ROW | {"id": None}, ROW | {"type": "user"}]
    of_columns = parse_dump(PLATFORM, as_parquet(tmp_path / "columns", rows + odd, name="x.parquet"), slices=3)
    assert [act | {"source_file": "x"} for act in of_columns.acts] == [act | {"source_file": "x"} for act in of_lines]
    assert of_columns.counts.left_out == {"no item": 1}
    assert [(reject["reason"], reject["line"]) for reject in of_columns.rejects] == [("no id", 4), ("type: not as expected", 5)]


def test_numbers_may_be_floats_as_pandas_writes_columns_with_gaps(tmp_path):
    rows = {"id": [11, 12], "type": ["story", "comment"], "time": [1_288_000_000.0, 1_288_000_060.0], "parent": [None, 11.0], "poll": [0.0, 0.0]}
    pq.write_table(pa.table(rows), tmp_path / "items.parquet")
    acts = parse_dump(PLATFORM, tmp_path).acts
    assert [(act["unit_id"], act["parent_unit_id"], act["thread_id"]) for act in acts] == [
        ("hackernews:11", None, "hackernews:11"), ("hackernews:12", "hackernews:11", "hackernews:11"),
    ]  # fmt: skip


def test_threads_cross_from_lines_to_parquet(tmp_path):
    as_parquet(written(tmp_path, ROW | {"id": 12, "parent": 11}), [ROW | {"id": 11, "parent": 10}, ROW | {"id": 10, "type": "story", "parent": None}])
    assert {act["thread_id"] for act in parse_dump(PLATFORM, tmp_path).acts} == {"hackernews:10"}


def test_a_new_file_changes_the_threads_that_are_looked_up(tmp_path):
    written(tmp_path, ROW)
    assert parse_dump(PLATFORM, tmp_path).by_id["7"]["thread_id"] == "hackernews:5"
    written(tmp_path, ROW | {"id": 5, "parent": 2}, name="later.jsonl")
    assert parse_dump(PLATFORM, tmp_path).by_id["7"]["thread_id"] == "hackernews:2"


def test_a_cycle_has_no_thread(tmp_path):
    acts = parse_dump(PLATFORM, written(tmp_path, ROW | {"id": 5, "parent": 7}, ROW)).acts
    assert [(act["thread_id"], act["thread_group"]) for act in acts] == [(None, "0"), (None, "0")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": 0}, "id: not an id"),
        ({"id": 2**40}, "id: not an id"),
        ({"id": -(10**30)}, "id: not an id"),
        ({"parent": -3}, "parent: not an id"),
        ({"parent": 10**30}, "parent: not an id"),
        ({"time": 10**30}, "time: not a time"),
        ({"time": None}, "no time"),
        ({"time": 0}, "time: not a time"),
        ({"type": "user"}, "type: not as expected"),
        ({"text": ["a"]}, "text: not as expected"),
    ],
)
def test_an_item_that_cannot_be_right_is_a_reject(tmp_path, change, reason):
    parsed = parse_dump(PLATFORM, written(tmp_path, ROW | change))
    assert (parsed.acts, [(reject["reason"], reject["user_id"]) for reject in parsed.rejects]) == ([], [(reason, pseudonym(KEY, "hackernews", "ada"))])


def test_what_is_left_of_a_deleted_item_may_lack_its_type(tmp_path):
    rows = [{"id": 3, "deleted": True, "time": 1_288_000_000}, {"id": 4, "deleted": True, "time": 1_288_000_000, "parent": 3}]
    assert [(act["action"], act["state"]) for act in parse_dump(PLATFORM, written(tmp_path, *rows)).acts] == [("post", "deleted"), ("comment", "deleted")]


def test_a_damaged_file_is_a_named_error_and_harms_no_other(tmp_path, caplog):
    whole = pack((json.dumps(ROW) + "\n").encode() * 1000, tmp_path / "cut.jsonl.zst")
    whole.write_bytes(whole.read_bytes()[:-4])
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    written(tmp_path, ROW)
    cut_lines, cut_rows, good = PLATFORM.input_files(str(tmp_path), SETTINGS)
    for file in (cut_lines, cut_rows):
        with pytest.raises(ArchiveError, match=r"cut\."):
            parse_file(PLATFORM, file)
    assert len(parse_file(PLATFORM, good).acts) == 1
    assert "without the rest of cut.jsonl.zst" in caplog.text


def test_a_file_that_changed_since_its_digest_is_an_error(tmp_path):
    (file,) = PLATFORM.input_files(str(written(tmp_path, ROW)), SETTINGS)
    with pytest.raises(ArchiveError, match="changed while it was read"):
        parse_file(PLATFORM, InputFile(file.path, file.source_file, file.kind, file.size, sha256="0" * 64))


values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=5) | st.lists(st.integers(), max_size=2)
)
some_row = st.fixed_dictionaries({}, optional=dict.fromkeys([*ROW, "title", "poll", "dead", "deleted", "score"], values)).map(lambda row: json.dumps(ROW | row))
lines = (
    some_row
    | values.map(json.dumps)
    | st.text(st.characters(exclude_characters="\n"), max_size=20)
    | st.sampled_from(['{"a":' * 9999, '{"type": "comment_ranking"}'])
)


@given(st.lists(lines, max_size=8), st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_any_lines_are_acts_or_rejects_and_slices_agree(tmp_path_factory, some, line_end):
    folder = tmp_path_factory.mktemp("any")
    (folder / "any.json").write_bytes((line_end.join(some) + line_end).encode("utf-8", "surrogatepass"))
    parsed = parse_dump(PLATFORM, folder, replace(SETTINGS, block_bytes=16), slices=3)
    assert parsed.counts.lines == len(parsed.acts) + len(parsed.rejects)
    assert len(parsed.acts) == len(parse_dump(PLATFORM, folder).acts)
