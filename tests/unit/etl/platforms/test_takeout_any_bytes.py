"""Whatever bytes a history holds: no crash but a named error, and every entry is an act, a reject or counted as left out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.errors import ArchiveError
from etl.ingest.file_counts import FileCounts
from etl.platforms import InputFile, ParseSettings
from etl.platforms.records import LeftOut, ParsedAct, Refused, parsed_batches
from etl.platforms.takeout.acts import Person
from etl.platforms.takeout.entries import json_entries, page_entries
from etl.platforms.takeout.histories import history_records
from tests.takeout_exports import AT, LANGUAGES, page_entry, searches_as_json, searches_as_page, visits_as_json, watches_as_json, watches_as_page

SETTINGS = ParseSettings(b"k" * 32, AT, block_bytes=1000)
PERSON = Person("ada", "f" * 64)
WORDS = ["Searched for tea", "Watched ", "「」を検索しました", " angesehen", "\ud800", "\0", "", "https://[", "https://www.google.com/url?q=", "a@b.example"]
TIMES = ["2024-03-02T14:04:05Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2024", "now", ""]

texts = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(WORDS + TIMES)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6)
fields = st.sampled_from(["title", "titleUrl", "time", "header", "products", "subtitles", "details", "url", "time_usec", "page_transition"])
described = st.fixed_dictionaries({"title": texts, "time": st.sampled_from(TIMES)}, optional={"titleUrl": texts, "products": st.lists(texts)})
visits = st.fixed_dictionaries({"url": texts, "time_usec": st.integers()}, optional={"title": texts, "page_transition": texts})
entries = described | visits | st.dictionaries(fields, texts | values, max_size=8) | values
lists = st.lists(entries, max_size=5)
json_histories = (lists | st.fixed_dictionaries({"Browser History": lists}, optional={"Session": values})).map(json.dumps).map(str.encode)
pages = st.lists(st.lists(texts, max_size=4).map(page_entry), max_size=4).map("".join).map(lambda text: text.encode("utf-8", "surrogatepass"))
real = st.sampled_from([make(language) for language in LANGUAGES.values() for make in (searches_as_json, watches_as_json, searches_as_page, watches_as_page)])
real_bytes = real.map(str.encode) | st.just(visits_as_json().encode())


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A true history with a few of its bytes cut out, and others put in."""
    content = draw(real_bytes)
    start = draw(st.integers(0, len(content)))
    return content[:start] + draw(st.binary(max_size=10)) + content[start + draw(st.integers(0, 40)) :]


def check(name: str, content: bytes) -> None:
    records = []
    chunks = (content[start : start + 700] for start in range(0, len(content), 700))
    file, counts = InputFile(name, name, "history", len(content)), FileCounts()
    try:
        records = list(history_records(name, chunks, PERSON, name))
    except ArchiveError:
        return
    for batch in parsed_batches(records, "takeout", file, SETTINGS):
        counts.add(batch, file)
    counts.check_lines(file)
    assert counts.lines == sum(isinstance(record, ParsedAct | Refused) for record in records)
    assert counts.left_out.total() == sum(isinstance(record, LeftOut) for record in records)


@given(json_histories | damaged() | st.binary(max_size=200))
def test_any_json(content: bytes) -> None:
    check("MyActivity.json", content)


@given(pages | damaged() | st.binary(max_size=200))
def test_any_page(content: bytes) -> None:
    check("MyActivity.html", content)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
def test_entries_do_not_depend_on_where_chunks_end(size: int) -> None:
    language = LANGUAGES["ja"]
    for split, content in ((json_entries, watches_as_json(language)), (json_entries, visits_as_json()), (page_entries, watches_as_page(language))):
        encoded = content.encode()
        expected = list(split([encoded], ""))
        assert list(split([encoded[start : start + size] for start in range(0, len(encoded), size)], "")) == expected
        assert len(expected) == 3


@given(st.lists(st.lists(values, max_size=3) | st.dictionaries(texts, values, max_size=3), max_size=4))
def test_elements_of_a_list_are_what_json_says(elements: list[object]) -> None:
    told = [json.loads(entry) for _, entry in json_entries([json.dumps(elements).encode()], "")]
    assert repr(told) == repr(elements)  # NaN equals nothing
