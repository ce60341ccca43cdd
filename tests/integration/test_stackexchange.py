"""Posts and comments of Stack Exchange's dumps become acts in the thread of their question, from files and from archives alike."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import py7zr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.errors import ArchiveError
from etl.platforms import checked_options, find_platform
from etl.platforms.stackexchange import PLATFORM
from lake.pseudonyms import pseudonym
from tests.conftest import SHARED_DATA
from tests.data.pack_dump import pack
from tests.parsed_dumps import KEY, SETTINGS, parse_dump, parse_file

FIXTURES = Path(__file__).parents[1] / "data" / "stackexchange"
SITE = FIXTURES / "tea.stackexchange.com"
SMALL_BLOCKS = replace(SETTINGS, block_bytes=300)
ROW = '<row Id="7" PostTypeId="1" CreationDate="2015-01-27T20:09:32.720" Body="&lt;p&gt;words&lt;/p&gt;" OwnerUserId="4" Title="title" />'


@pytest.fixture(scope="module")
def fixtures():
    return parse_dump(PLATFORM, FIXTURES)


def user(number: int) -> str:
    return pseudonym(KEY, "stackexchange", f"tea.stackexchange.com/{number}")


def posts(folder: Path, *lines: str, end: str = "</posts>") -> Path:
    site = folder / "tea.stackexchange.com"
    site.mkdir(exist_ok=True)
    (site / "Posts.xml").write_bytes("\n".join(['<?xml version="1.0" encoding="utf-8"?>', "<posts>", *lines, end]).encode("utf-8", "surrogatepass"))
    return folder


def packed(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with py7zr.SevenZipFile(path, "w", filters=[{"id": py7zr.FILTER_BZIP2}]) as archive:
        for name in names:
            archive.write(SITE / name, name)
        archive.writestr(b"<badges />", "Badges.xml")
    return path


def without_place(acts: list[dict]) -> list[dict]:
    """Acts without the names of their files and their lines there, by id."""
    return sorted(({name: value for name, value in act.items() if name not in ("source_file", "line")} for act in acts), key=lambda act: act["unit_id"])


def test_a_question_opens_a_thread(fixtures):
    question = fixtures.by_id["tea.stackexchange.com/p1"]
    assert (question["action"], question["community"], question["user_id"]) == ("question", "tea.stackexchange.com", user(4))
    assert (question["title"], question["text"]) == ('Hard water & "green" tea', "Does hard water matter?\n\nhardness > 200\n  mg")
    assert (question["thread_id"], question["parent_unit_id"]) == ("stackexchange:tea.stackexchange.com/p1", None)
    assert question["created_at"] == datetime(2015, 1, 27, 20, 9, 32, 720_000, UTC)
    assert question["attributes"] == {
        "score": "20", "tags": "water,green-tea", "accepted_answer": "stackexchange:tea.stackexchange.com/p2", "licence": "CC BY-SA 3.0",
    }  # fmt: skip


def test_html_is_kept_only_where_that_is_asked_for(fixtures):
    assert {act["source_text"] for act in fixtures.acts} == {None}
    kept = parse_dump(PLATFORM, FIXTURES, replace(SETTINGS, options=checked_options(PLATFORM, {"keep_html": True}))).by_id
    assert kept["tea.stackexchange.com/p4"]["source_text"] == "<p>Which pot?</p>"
    assert kept["tea.stackexchange.com/c31"]["source_text"] is None


def test_an_answer_belongs_to_its_question(fixtures):
    answer = fixtures.by_id["tea.stackexchange.com/p2"]
    assert (answer["action"], answer["title"], answer["text"], answer["user_id"]) == ("answer", None, "It does. See this table.", user(8))
    assert answer["thread_id"] == answer["parent_unit_id"] == "stackexchange:tea.stackexchange.com/p1"
    assert answer["attributes"] == {"score": "-1", "community_owned_at": "2015-02-01T00:00:00.000", "licence": "CC BY-SA 3.0"}
    assert answer["thread_group"] == fixtures.by_id["tea.stackexchange.com/p1"]["thread_group"]


def test_a_comment_is_placed_by_its_post_and_keeps_its_words(fixtures):
    below_question, below_answer, below_nothing = (fixtures.by_id[f"tea.stackexchange.com/c{number}"] for number in (31, 32, 33))
    assert (below_question["text"], below_question["user_id"]) == ("How hard is *hard*? Below < 100?", user(8))
    assert below_question["thread_id"] == below_question["parent_unit_id"] == "stackexchange:tea.stackexchange.com/p1"
    assert (below_answer["parent_unit_id"], below_answer["thread_id"]) == ("stackexchange:tea.stackexchange.com/p2", "stackexchange:tea.stackexchange.com/p1")
    assert (below_nothing["parent_unit_id"], below_nothing["thread_id"]) == ("stackexchange:tea.stackexchange.com/p99", None)


def test_an_account_that_is_gone_is_nobody_and_its_name_is_nowhere(fixtures):
    question = fixtures.by_id["tea.stackexchange.com/p4"]
    assert (question["user_id"], question["attributes"]["tags"], question["attributes"]["closed_at"]) == (None, "pots", "2024-05-02T00:00:00.000")
    assert fixtures.by_id["tea.stackexchange.com/c33"]["user_id"] is None
    assert "Gone" not in repr(fixtures.acts)


def test_pages_are_counted_and_a_row_that_is_cut_is_a_reject(fixtures):
    assert fixtures.counts.left_out == {"heading": 6, "tag wiki": 1}
    (reject,) = fixtures.rejects
    assert (reject["reason"], reject["line"], reject["raw"][:10]) == ("not xml", 4, '<row Id="5')


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: packed(folder / "tea.stackexchange.com.7z", "Comments.xml", "Posts.xml"),
        lambda folder: packed(folder / "tea.stackexchange.com-Posts.7z", "Posts.xml") and packed(folder / "tea.stackexchange.com-Comments.7z", "Comments.xml"),
        lambda folder: [shutil.copy(SITE / f"{kind}.xml", folder / f"tea.stackexchange_{kind}_2015-03.xml") for kind in ("Posts", "Comments")],
        lambda folder: shutil.copytree(SITE, folder / "sites" / "Tea.StackExchange.com"),
        lambda folder: [pack((SITE / f"{kind}.xml").read_bytes(), folder / f"tea.stackexchange.com_{kind}.xml.gz") for kind in ("Posts", "Comments")],
    ],
    ids=["one archive", "an archive a table", "files named after the site", "folder", "compressed"],
)  # fmt: skip
@pytest.mark.parametrize("slices", [1, 3])
def test_every_form_of_a_dump_gives_the_same_acts(tmp_path, fixtures, make, slices):
    make(tmp_path)
    parsed = parse_dump(PLATFORM, tmp_path, SMALL_BLOCKS, slices)
    assert without_place(parsed.acts) == without_place(fixtures.acts)
    assert len(parsed.rejects) == 1
    assert parsed.counts.left_out == fixtures.counts.left_out


def test_other_files_are_left_alone(tmp_path):
    for name in ("Posts.xml", "tea.stackexchange.com/Votes.xml", "stackoverflow.com-Votes.7z", "stackoverflow.com-Posts.7z", "notes.txt"):
        path = tmp_path / "dump" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    assert [(file.source_file, file.kind) for file in PLATFORM.input_files(str(tmp_path / "dump"), SETTINGS)] == [("stackoverflow.com-Posts.7z", "posts")]
    assert find_platform("stackexchange") is PLATFORM


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('Id="7" ', "", "no Id"),
        ('Id="7"', 'Id="7a"', "Id: not a number"),
        ('PostTypeId="1"', "", "PostTypeId: neither question nor answer"),
        ('PostTypeId="1"', 'PostTypeId="2"', "no ParentId"),
        ("2015-01-27T20:09:32.720", "yesterday", "CreationDate: not a time"),
        ('CreationDate="2015-01-27T20:09:32.720"', "", "no time"),
        ("/>", ">", "not xml"),
        ("words", "&bomb;", "not xml"),
        ("<row", '<!DOCTYPE row [<!ENTITY bomb "b">]><row', "not a row"),
        ("<row", "row", "not a row"),
    ],
)
def test_a_row_that_cannot_be_right_is_a_reject_with_its_account(tmp_path, old, new, reason):
    parsed = parse_dump(PLATFORM, posts(tmp_path, ROW, ROW.replace(old, new)))
    assert [(reject["reason"], reject["line"], reject["user_id"]) for reject in parsed.rejects] == [(reason, 2, user(4))]
    assert len(parsed.acts) == 1


def test_the_sites_own_account_is_nobody(tmp_path):
    (act,) = parse_dump(PLATFORM, posts(tmp_path, ROW.replace('OwnerUserId="4"', 'OwnerUserId="-1"'))).acts
    assert act["user_id"] is None


@pytest.mark.parametrize("end", ["", '  <row Id="8" PostTypeId="1" Creat'])
def test_a_file_that_ends_before_its_closing_tag_is_a_named_error_and_its_comments_are_taken(tmp_path, end, caplog):
    posts(tmp_path, ROW, end=end)
    shutil.copy(SITE / "Comments.xml", tmp_path / "tea.stackexchange.com")
    of_comments, of_posts = PLATFORM.input_files(str(tmp_path), SETTINGS)
    with pytest.raises(ArchiveError, match=r"Posts\.xml: ends before </posts>"):
        parse_file(PLATFORM, of_posts)
    assert [act["thread_id"] for act in parse_file(PLATFORM, of_comments).acts] == [None] * 3
    assert "without the rest of tea.stackexchange.com/Posts.xml" in caplog.text


PIECES = [
    "<row ",
    'Id="1" ',
    'PostTypeId="1" ',
    'PostTypeId="77" ',
    'PostTypeId="123" ',
    'Body="&lt;" ',
    'OwnerUserId="x" ',
    "/>",
    "<",
    "&#0;",
    "</posts>",
    "\r",
]


@given(st.lists(st.lists(st.sampled_from([*PIECES, ROW]) | st.text(st.characters(exclude_characters="\n"), max_size=5)).map("".join), max_size=6))
def test_any_lines_are_acts_or_rejects_and_slices_agree(tmp_path_factory, lines):
    folder = posts(tmp_path_factory.mktemp("any"), *lines)
    parsed = parse_dump(PLATFORM, folder, SMALL_BLOCKS, slices=3)
    assert parsed.counts.lines == len(parsed.acts) + len(parsed.rejects)
    assert without_place(parsed.acts) == without_place(parse_dump(PLATFORM, folder).acts)


@pytest.mark.skipif(not (SHARED_DATA / "stackexchange").is_dir(), reason="the sample of coffee.stackexchange is not there")
def test_a_real_dump():
    parsed = parse_dump(PLATFORM, SHARED_DATA / "stackexchange")
    assert (parsed.counts.lines, parsed.rejects) == (552, [])
    assert parsed.counts.left_out == {"heading": 3, "tag wiki": 20, "tag wiki excerpt": 20}
    assert {act["community"] for act in parsed.acts} == {"coffee.stackexchange.com"}
    asked = {act["unit_id"] for act in parsed.acts if act["action"] == "question"}
    answers = [act for act in parsed.acts if act["action"] == "answer"]
    assert (len(asked), len(answers)) == (225, 327)
    assert all(act["thread_id"] in asked for act in answers)
    assert all(act["text"] and "<p>" not in act["text"] for act in parsed.acts)
