"""Exports of five languages, in both forms, become the same acts, with the account's pseudonym and sessions."""

import json
import tracemalloc
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conf.errors import ArchiveError, ConfigError
from etl.ingest.file_counts import FileCounts
from etl.platforms import InputFile, ParseSettings, find_platform
from etl.platforms.streams import FileSlice
from etl.platforms.takeout import PLATFORM, TakeoutOptions
from lake.pseudonyms import pseudonym
from tests.parsed_dumps import parse_dump
from tests.takeout_exports import (
    AT,
    LANGUAGES,
    SEARCH_URL,
    VISIT_URL,
    WATCH_URL,
    Language,
    json_entry,
    page,
    page_entry,
    searches_as_json,
    searches_as_page,
    visits_as_json,
    watches_as_json,
    watches_as_page,
    write_files,
    write_tgz,
    write_zip,
)  # fmt: skip

KEY = bytes(range(32))
NOW = datetime(2024, 4, 1, tzinfo=UTC)
ADA = pseudonym(KEY, "takeout", "ada@example.org")
SESSION = f"takeout:{ADA[:16]}-{int(AT.timestamp())}"


def settings(**options: Any) -> ParseSettings:
    return ParseSettings(KEY, NOW, options=TakeoutOptions(**options))


def parsed(dump: Path, chosen: ParseSettings | None = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]], FileCounts]:
    """Acts and rejects of all files of a dump, and their counts; every file's lines are checked."""
    found = parse_dump(PLATFORM, dump, chosen or settings())
    return found.acts, found.rejects, found.counts


def of_one_file(folder: Path, name: str, content: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]], FileCounts]:
    write_files(folder / "ada@example.org", {name: content})
    return parsed(folder)


def as_json(language: Language) -> dict[str, str]:
    return {
        f"Takeout/{language.my_activity}.json": searches_as_json(language),
        f"Takeout/{language.watch_history}.json": watches_as_json(language),
        f"Takeout/{language.chrome_history}.json": visits_as_json(),
        "Takeout/archive_browser.html": "<html></html>",
    }


def as_pages(language: Language) -> dict[str, str]:
    return {
        f"Takeout/{language.my_activity}.html": searches_as_page(language),
        f"Takeout/{language.watch_history}.html": watches_as_page(language),
        f"Takeout/{language.chrome_history}.json": visits_as_json(),
    }


@pytest.mark.parametrize("name", LANGUAGES)
def test_each_language_tells_the_same_afternoon(name: str, tmp_path: Path) -> None:
    write_zip(tmp_path / "ada@example.org" / "takeout-20240302T200000Z-001.zip", as_json(LANGUAGES[name]))
    acts, rejects, counts = parsed(tmp_path)
    assert rejects == []
    assert counts.left_out == {"file without a history": 1, "list of no visits": 1}
    click, search, watch, advertisement, gone, visit, chrome_search = acts
    assert [act["action"] for act in acts] == ["visit", "search", "watch", "watch", "watch", "visit", "search"]
    assert (search["text"], search["title"], search["community"], search["created_at"]) == ("siamese cats", None, "Google Search", AT)
    assert (click["title"], click["url"], click["community"]) == ("Siamese cat - Wikipedia", VISIT_URL, "en.wikipedia.org")
    assert (watch["title"], watch["url"], watch["community"], watch["attributes"]) == ("Two kittens", WATCH_URL, "Cat Channel", {"product": "YouTube"})
    assert advertisement["attributes"] == {"product": "YouTube", "promoted": "true"}
    assert (gone["state"], gone["title"], gone["community"]) == ("removed", None, "YouTube")
    assert (visit["title"], chrome_search["text"], chrome_search["community"]) == ("Siamese cat - Wikipedia", "siamese cats", "Google Search")
    assert {act["user_id"] for act in acts} == {ADA}
    assert {act["session_id"] for act in acts} == {SESSION}
    assert {act["retrieved_at"] for act in acts} == {datetime(2024, 3, 2, 20, tzinfo=UTC)}
    assert [click["parent_unit_id"], visit["parent_unit_id"]] == [search["unit_id"], chrome_search["unit_id"]]
    assert {act["thread_group"] for act in acts} == {acts[0]["thread_group"]}


@pytest.mark.parametrize("name", LANGUAGES)
def test_pages_tell_what_json_tells(name: str, tmp_path: Path) -> None:
    write_zip(tmp_path / "json" / "ada@example.org" / "takeout.zip", as_json(LANGUAGES[name]))
    write_tgz(tmp_path / "html" / "ada@example.org" / "takeout.tgz", as_pages(LANGUAGES[name]))
    from_json, _, _ = parsed(tmp_path / "json")
    from_pages, rejects, _ = parsed(tmp_path / "html")
    assert rejects == []
    differing = ("source_text", "source_file")
    assert [{name: act[name] for name in act if name not in differing} for act in from_pages] == [
        {name: act[name] for name in act if name not in differing} for act in from_json
    ]


def test_all_languages_write_one_search_as_one_act(tmp_path: Path) -> None:
    for name, language in LANGUAGES.items():
        write_files(tmp_path / "ada@example.org" / name, {f"{language.my_activity}.json": searches_as_json(language)})
    acts, _, _ = parsed(tmp_path)
    assert len(acts) == 10
    assert len({act["unit_id"] for act in acts}) == 2


def test_no_name_enters_the_lake(tmp_path: Path) -> None:
    mailbox = {"title": "Inbox - ada@example.org", "url": "https://ada@mail.google.com/mail/u/?authuser=ada%40example.org", "time_usec": 1_709_388_245_123_456}
    located = json_entry("Searched for tea", locationInfos=[{"name": "At home"}], details=[{"name": "From IP 8.8.8.8"}])
    files = {"Takeout/Chrome/History.json": visits_as_json(mailbox), "Takeout/My Activity/Search/MyActivity.json": json.dumps([located])}
    write_zip(tmp_path / "Ada@Example.org" / "export of ada@example.org-001.zip", files)
    acts, _, _ = parsed(tmp_path)
    assert len(acts) == 2
    assert {act["source_file"] for act in acts} == {f"{ADA[:16]}/export of {ADA[:16]}-001.zip"}
    told = repr(acts).lower()
    assert [secret for secret in ("ada@", "ada%40", "home", "8.8.8.8", "client_id", "favicon") if secret in told] == []


def test_no_address_enters_the_lake_where_accounts_lie_a_folder_deeper(tmp_path: Path) -> None:
    for name in ("ada@example.org", "bo@example.org"):
        write_zip(tmp_path / "study" / name / "takeout-001.zip", {"Takeout/My Activity/Search/MyActivity.json": json.dumps([json_entry("Searched for tea")])})
    names = [file.source_file for file in PLATFORM.input_files(str(tmp_path), settings())]
    assert len(set(names)) == 2
    assert "example" not in repr(names)


def test_an_unpacked_folder_is_a_file_each_and_the_rest_is_left_alone(tmp_path: Path) -> None:
    files = as_json(LANGUAGES["de"]) | {"Takeout/Keep/note.json": '{"title": "shopping"}', "Takeout/Mail/all.mbox": "From"}
    write_files(tmp_path / "ada", files)
    names = [file.source_file.partition("/")[2] for file in PLATFORM.input_files(str(tmp_path), settings())]
    chosen = LANGUAGES["de"]
    assert names == sorted(f"Takeout/{name}.json" for name in (chosen.my_activity, chosen.watch_history, chosen.chrome_history))


def test_files_of_an_unknown_name_are_known_by_their_form(tmp_path: Path) -> None:
    dutch = json_entry("Gezocht naar katten", header="Zoeken", products=["Zoeken"])
    write_files(tmp_path / "ada", {"Takeout/Mijn activiteit/Zoeken/MijnActiviteit.json": json.dumps([dutch])})
    acts, (reject,), _ = parsed(tmp_path)
    assert acts == []
    assert (reject["reason"], reject["user_id"]) == ("title: no known phrase", pseudonym(KEY, "takeout", "ada"))


def test_a_file_of_nobody_is_an_error_unless_the_account_is_told(tmp_path: Path) -> None:
    write_zip(tmp_path / "takeout-001.zip", as_json(LANGUAGES["en"]))
    write_files(tmp_path, as_json(LANGUAGES["en"]))
    with pytest.raises(ConfigError, match=r"takeout: Takeout/.* lies in no folder of an account; put each person's files .*etl\.platforms\.takeout\.account"):
        PLATFORM.input_files(str(tmp_path), settings())
    acts, _, _ = parsed(tmp_path, settings(account="ada@example.org"))
    assert (len(acts), {act["user_id"] for act in acts}) == (14, {ADA})


def test_a_session_ends_after_the_minutes_of_the_option(tmp_path: Path) -> None:
    times = ("2024-03-02T15:00:01Z", "2024-03-02T14:30:00Z", "2024-03-02T14:00:00Z")
    content = json.dumps([json_entry(f"Searched for {time}", time) for time in times])
    write_files(tmp_path / "ada", {"MyActivity.json": content})
    sessions = [act["session_id"][-10:] for act in parsed(tmp_path)[0]]
    assert sessions == ["1709391601", "1709388000", "1709388000"]
    assert len({act["session_id"] for act in parsed(tmp_path, settings(session_minutes=31))[0]}) == 1


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ('{"title": "Searched for tea"}', "no time"),
        ('{"time": "2024-03-02T14:04:05Z"}', "no title"),
        ('{"title": "Searched for tea", "time": "yesterday"}', "time: not a time"),
        ('{"title": "Searched for tea", "time": "2024-03-02T14:04:05"}', "time: no zone"),
        ('{"title": "Searched for tea", "time": "1970-03-02T14:04:05Z"}', "time: not a time"),
        ('{"title": ["Searched for tea"], "time": "2024-03-02T14:04:05Z"}', "not an entry of a history"),
        ('{"title": "Sought tea", "time": "2024-03-02T14:04:05Z", "products": ["YouTube"]}', "title: no known phrase"),
        ('{"title": tru}', "not json"),
        ("tru", "not json"),
        ("[" * 5000 + "]" * 5000, "not an entry of a history"),
    ],
)
def test_a_damaged_entry_is_a_reject_and_costs_no_other(entry: str, reason: str, tmp_path: Path) -> None:
    good = json.dumps(json_entry("Searched for milk"))
    acts, rejects, _ = of_one_file(tmp_path, "MyActivity.json", f"[{good}, {entry}, {good}]")
    assert [act["text"] for act in acts] == ["milk", "milk"]
    assert [(reject["line"], reject["reason"], reject["raw"]) for reject in rejects] == [(2, reason, entry[:2000])]


def test_a_long_word_costs_no_more_than_it_is_long(tmp_path: Path) -> None:
    word = "x" * 300_000
    entries = [json_entry(f"Searched for {word} @ {word}@{word}", titleUrl=None), json_entry("Searched for me@example.org.")]
    (act, other), _, _ = of_one_file(tmp_path, "MyActivity.json", json.dumps(entries[:1])[:-1] + "," + json.dumps(entries[1:])[1:])
    assert (len(act["text"]), other["text"]) == (900_004, "[email].")


def test_what_is_no_text_is_replaced(tmp_path: Path) -> None:
    lone, pair = json.dumps(json_entry("Searched for \ud83d tea \udc00")), json.dumps(json_entry("Searched for \U0001f375"))
    path = tmp_path / "ada" / "MyActivity.json"
    path.parent.mkdir()
    path.write_bytes(f"[{lone}, {pair}, ".encode() + json.dumps(json_entry("Searched for t*a")).encode().replace(b"*", b"\xff") + b"]")
    assert [act["text"] for act in parsed(tmp_path)[0]] == ["\ufffd tea \ufffd", "\U0001f375", "t\ufffda"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["Searched for tea"], "not an entry of a history"),
        (["Searched for tea", "yesterday"], "time: not a time"),
        (["Searched for tea", "Mar 2, 2024, 6:04:05 AM XYZT"], "time: unknown zone"),
        (["Searched for tea", "Marz 2, 2024, 6:04:05 AM PST"], "time: unknown month"),
        (["Searched for tea", "Feb 30, 2024, 6:04:05 AM PST"], "time: not a time"),
        (["Sought tea", "Mar 2, 2024, 6:04:05 AM PST"], "title: no known phrase"),
    ],
)
def test_a_damaged_entry_of_a_page_is_a_reject(lines: list[str], reason: str, tmp_path: Path) -> None:
    good = page_entry(["Searched for milk", "Mar 2, 2024, 6:04:05 AM PST"])
    acts, rejects, _ = of_one_file(tmp_path, "MyActivity.html", page([good, page_entry(lines), good]))
    assert ([act["text"] for act in acts], [reject["reason"] for reject in rejects]) == (["milk", "milk"], [reason])


@pytest.mark.parametrize("cut", [" AM", "PST", "<br></div>", "<b>Products"])
def test_the_last_entry_of_a_page_that_breaks_off_is_a_reject(cut: str, tmp_path: Path) -> None:
    content = page([page_entry(["Searched for milk", "Mar 2, 2024, 6:04:05 AM PST"])] * 2)
    acts, (reject,), _ = of_one_file(tmp_path, "MyActivity.html", content[: content.rindex(cut)])
    assert ([act["created_at"] for act in acts], reject["reason"]) == ([AT], "entry breaks off")


def test_a_page_without_zones_is_read_as_utc_and_says_so(tmp_path: Path) -> None:
    (act,), _, counts = of_one_file(tmp_path, "MyActivity.html", page([page_entry(["Searched for milk", "Mar 2, 2018, 5:14:40 PM"])]))
    assert (act["created_at"], counts.casts) == (datetime(2018, 3, 2, 17, 14, 40, tzinfo=UTC), {"time: no zone": 1})


@pytest.mark.parametrize(
    "content",
    ["", "[", '[{"title": "Searched for tea"', '[{"title": "Searched for tea"}', "[]]", "[] []", "Sorry, no export", '[{"a": "' + "x" * 2**21 + '"}]'],
)
def test_json_that_breaks_off_is_a_named_error(content: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"/MyActivity\.json: (is no JSON, breaks off|has an entry of more than)"):
        of_one_file(tmp_path, "MyActivity.json", content)


def test_a_damaged_archive_is_a_named_error(tmp_path: Path) -> None:
    path = tmp_path / "ada" / "takeout.zip"
    write_zip(path, as_json(LANGUAGES["en"]))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ArchiveError, match=r"/takeout\.zip: cannot be read to its end"):
        parsed(tmp_path)


def test_an_archive_packed_in_an_unknown_way_is_a_named_error(tmp_path: Path) -> None:
    path = tmp_path / "ada" / "takeout.zip"
    write_zip(path, {"MyActivity.json": "[]"})
    with zipfile.ZipFile(path) as archive:
        (member,), directory = archive.infolist(), archive.start_dir
    content = bytearray(path.read_bytes())
    for method in (member.header_offset + 8, directory + 10):
        content[method : method + 2] = (97).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"/takeout\.zip: cannot be read to its end: That compression method"):
        parsed(tmp_path)


def test_what_is_no_act_is_left_out_by_kind(tmp_path: Path) -> None:
    other = {"products": ["Assistant"], "header": "Assistant", "titleUrl": None}
    entries = [json_entry("Viewed a post", products=["YouTube"]), json_entry("Trained with Assistant", **other), json_entry("Searched for tea", **other)]
    (act,), rejects, counts = of_one_file(tmp_path, "MyActivity.json", json.dumps(entries))
    assert (act["text"], act["community"], rejects) == ("tea", "Assistant", [])
    assert counts.left_out == {"view": 1, "entry of another product": 1}


def test_chrome_leaves_out_reloads_and_pages_that_are_not_of_the_web(tmp_path: Path) -> None:
    common = {"title": "t", "time_usec": 1_709_388_245_123_456}
    pages = [
        common | {"url": "chrome://settings"}, common | {"url": "file:///home/ada/diary.html"}, common | {"url": VISIT_URL, "page_transition": "RELOAD"},
        common | {"url": "https://duckduckgo.com/?q=milk"}, common | {"url": "https://www.google.co.uk/search?q=tea&hl=en"},
        common | {"url": "https://www.google.com/search?hl=en"}, common | {"url": "https://example.org/search?q=tea"}, {"url": VISIT_URL},
        common | {"url": SEARCH_URL, "time_usec": 10**30}, common | {"url": SEARCH_URL, "time_usec": 10**18},
    ]  # fmt: skip
    acts, rejects, counts = of_one_file(tmp_path, "Chrome/History.json", visits_as_json(*pages))
    assert [(act["action"], act["text"] or act["title"], act["community"]) for act in acts] == [
        ("search", "milk", "DuckDuckGo"), ("search", "tea", "Google Search"), ("visit", "t", "google.com"), ("visit", "t", "example.org"),
    ]  # fmt: skip
    assert [reject["reason"] for reject in rejects] == ["no time", "time: not a time", "time: not a time"]
    assert counts.left_out["page of the browser or a file"] == 2
    assert counts.left_out["reload or frame"] == 1


def test_a_file_is_not_shared_out(tmp_path: Path) -> None:
    write_zip(tmp_path / "ada" / "takeout.zip", as_json(LANGUAGES["en"]))
    (file,) = PLATFORM.input_files(str(tmp_path), settings())
    rows = [sum(batch.lines for batch in PLATFORM.parse(file, settings(), FileSlice(number, 2))) for number in range(2)]
    assert rows == [7, 0]


def test_nested_and_endless_json_takes_no_memory(tmp_path: Path) -> None:
    write_files(tmp_path / "ada", {"MyActivity.json": "[" * 900_000})
    (file,) = PLATFORM.input_files(str(tmp_path), settings())
    tracemalloc.start()
    with pytest.raises(ArchiveError, match="is no JSON, breaks off"):
        list(PLATFORM.parse(file, settings()))
    assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    tracemalloc.stop()


def test_a_later_export_names_the_session_the_same(tmp_path: Path) -> None:
    times = [AT + timedelta(minutes=10 * number) for number in range(4)]
    entries = [json_entry(f"Searched for {number}", at.isoformat()) for number, at in enumerate(times)][::-1]
    for name, known in (("early", entries[2:]), ("late", entries)):
        write_files(tmp_path / name / "ada@example.org", {"MyActivity.json": json.dumps(known)})
    early, late = (parsed(tmp_path / name)[0] for name in ("early", "late"))
    assert [(act["unit_id"], act["session_id"]) for act in late[2:]] == [(act["unit_id"], act["session_id"]) for act in early]
    assert {act["session_id"] for act in late} == {SESSION}


def test_a_missing_file_is_a_named_error() -> None:
    file = InputFile("/nowhere/ada/takeout.zip", f"{ADA[:16]}/takeout.zip", "archive", 1)
    with pytest.raises(ArchiveError, match="cannot be read to its end"):
        list(PLATFORM.parse(file, settings()))


def test_takeout_is_installed() -> None:
    assert find_platform("takeout") is PLATFORM
