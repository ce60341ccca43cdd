"""Reddit's personal exports become acts with the ids of the dumps; addresses and names stay outside."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.errors import ArchiveError, ConfigError
from etl.platforms import ParseSettings, find_platform
from etl.platforms.reddit.export import PLATFORM, RedditExportOptions
from etl.platforms.reddit.ids import thread_group
from etl.platforms.streams import FileSlice
from lake.pseudonyms import pseudonym
from tests.parsed_dumps import parse_dump
from tests.reddit_exports import ADDRESS, COMMENTS, POSTS, as_csv, comment, post, statistics, write_export

KEY = bytes(range(32))
ADA = pseudonym(KEY, "reddit", "ada")


def settings(**options: Any) -> ParseSettings:
    return ParseSettings(KEY, datetime(2024, 1, 1, tzinfo=UTC), options=RedditExportOptions(**options))


def parsed(dump: Path, chosen: ParseSettings | None = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Acts and rejects of all files of a dump; every file's lines are checked."""
    found = parse_dump(PLATFORM, dump, chosen or settings())
    return found.acts, found.rejects


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def test_a_comment_has_the_ids_of_the_dumps(tmp_path: Path) -> None:
    write_export(tmp_path / "export_Ada_20230502.zip", [comment("ck1fsao", "ck1bai1", "2em2io", "Great, really")])
    (act,), rejects = parsed(tmp_path)
    assert rejects == []
    assert (act["platform"], act["unit_id"], act["user_id"], act["action"]) == ("reddit", "reddit:t1_ck1fsao", ADA, "comment")
    assert (act["thread_id"], act["parent_unit_id"], act["thread_group"]) == ("reddit:t3_2em2io", "reddit:t1_ck1bai1", thread_group("t3_2em2io"))
    assert (act["text"], act["title"], act["community"], act["state"]) == ("Great, really", None, "tea", "kept")
    assert act["created_at"] == datetime(2019, 3, 5, 12, 34, 56, tzinfo=UTC)
    assert act["retrieved_at"] == datetime(2023, 5, 2, 6, 57, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "thread", "parent"),
    [
        ({"parent": ""}, "t3_abc", "t3_abc"),
        ({"parent": "t3_abc"}, "t3_abc", "t3_abc"),
        ({"parent": "abc"}, "t3_abc", "t3_abc"),
        ({"parent": "t1_p"}, "t3_abc", "t1_p"),
        ({"link": "t3_xyz", "parent": "p"}, "t3_xyz", "t1_p"),
        ({"link": "", "parent": "p"}, "t3_abc", "t1_p"),
    ],
)
def test_thread_and_parent_in_every_form(fields: dict[str, str], thread: str, parent: str, tmp_path: Path) -> None:
    write_export(tmp_path / "export.zip", [comment(**fields)])
    (act,), _ = parsed(tmp_path)
    assert (act["thread_id"], act["parent_unit_id"]) == (f"reddit:{thread}", f"reddit:{parent}")


def test_a_post_opens_its_thread_and_keeps_the_link_that_leads_away(tmp_path: Path) -> None:
    write_export(tmp_path / "export.zip", posts=[post("abc", "Look", url="https://example.org/tea"), post("abd", "Ask", "Which tea?")])
    (link, own), _ = parsed(tmp_path)
    assert (link["unit_id"], link["thread_id"], link["parent_unit_id"], link["title"]) == ("reddit:t3_abc", "reddit:t3_abc", None, "Look")
    assert [(act["url"], act["text"]) for act in (link, own)] == [("https://example.org/tea", None), (None, "Which tea?")]


def test_words_that_were_taken_away_are_none(tmp_path: Path) -> None:
    write_export(tmp_path / "export.zip", [comment(body="[removed]")], [post(title="[deleted by user]")])
    assert [(act["state"], act["text"], act["title"]) for act in parsed(tmp_path)[0]] == [("removed", None, None), ("deleted", None, None)]


def test_neither_names_nor_addresses_enter_the_lake(tmp_path: Path) -> None:
    profile = comment("c2", link="https://www.reddit.com/user/Ada/comments/abc/hi/", subreddit="u_Ada")
    short = as_csv(COMMENTS, [comment()]) + f"c9,{ADDRESS}\r\n"
    write_export(tmp_path / "Ada" / "export_Ada_20230502.zip", [profile, comment(date="now")])
    write(tmp_path / "export_ada_20230502" / "comments.csv", short)
    acts, rejects = parsed(tmp_path)
    assert (len(acts), sorted(reject["reason"] for reject in rejects)) == (2, ["date: not a time", "not as many fields as columns"])
    assert ADDRESS not in repr((acts, rejects))
    assert "ada" not in repr([{name: act[name] for name in act if name != "user_id"} for act in acts]).lower()
    assert {act["source_file"] for act in acts} == {f"{ADA[:16]}/export_{ADA[:16]}_20230502.zip", f"export_{ADA[:16]}_20230502/comments.csv"}


def test_the_account_is_told_by_statistics_then_by_the_name_then_by_the_option(tmp_path: Path) -> None:
    chosen = settings(account="Cleo")
    write_export(tmp_path / "a" / "export_Bob_20230502.zip", [comment()], account="Ada")
    write_export(tmp_path / "b" / "export_Bob_Smith_20230502.zip", [comment()], account=None)
    write_export(tmp_path / "c" / "export.zip", [comment()], account=None)
    write(tmp_path / "d" / "comments_2.csv", as_csv(COMMENTS, [comment()]))
    write(tmp_path / "d" / "statistics.csv", "\ufeff" + statistics("Dora") + "one field\r\n")
    users = [act["user_id"] for act in parsed(tmp_path, chosen)[0]]
    assert users == [pseudonym(KEY, "reddit", name) for name in ("ada", "bob_smith", "cleo", "dora")]
    with pytest.raises(ConfigError, match=r"reddit-export: c/export\.zip: neither statistics\.csv .* etl\.platforms\.reddit-export\.account"):
        PLATFORM.input_files(str(tmp_path), settings())


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"native_id": ""}, "no id"),
        ({"native_id": "not valid!"}, "id: not an id"),
        ({"date": "2019-03-05 12:34:56"}, "date: not a time"),
        ({"date": "1970-03-05 12:34:56 UTC"}, "time: not a time"),
        ({"link": "", "permalink": ""}, "link: no thread"),
        ({"parent": "not valid"}, "parent_id: not an id"),
    ],
)
def test_a_row_that_cannot_be_right_is_a_reject(fields: dict[str, str], reason: str, tmp_path: Path) -> None:
    write_export(tmp_path / "export.zip", [comment(), comment(**fields)])
    acts, (reject,) = parsed(tmp_path)
    assert (len(acts), reject["line"], reject["reason"], reject["user_id"]) == (1, 2, reason, ADA)


@pytest.mark.parametrize("content", ["", "id,date,body\r\n", "id;permalink;date\r\n", "<html>no export</html>"])
def test_a_file_without_the_columns_is_a_named_error(content: str, tmp_path: Path) -> None:
    write(tmp_path / "export_Ada_20230502" / "comments.csv", content)
    with pytest.raises(ArchiveError, match=r"comments\.csv: has no column '\w+'"):
        parsed(tmp_path)


def test_an_endless_field_is_a_named_error(tmp_path: Path) -> None:
    write(tmp_path / "export_Ada_20230502" / "comments.csv", as_csv(COMMENTS, [comment()]) + '"' + "x" * 3_000_000)
    with pytest.raises(ArchiveError, match="cannot be read to its end: field larger"):
        parsed(tmp_path)


def test_a_damaged_archive_is_a_named_error(tmp_path: Path) -> None:
    path = tmp_path / "export_Ada_20230502.zip"
    write_export(path, [comment(f"c{number}") for number in range(1000)])
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ArchiveError, match=rf"export_{ADA[:16]}_20230502\.zip: cannot be read to its end"):
        parsed(tmp_path)


def test_a_file_is_not_shared_out_and_others_are_left_alone(tmp_path: Path) -> None:
    write_export(tmp_path / "export.zip", [comment()], [post()])
    write(tmp_path / "messages.csv", "id,from,to,body\r\n")
    (file,) = PLATFORM.input_files(str(tmp_path), settings())
    batches = [list(PLATFORM.parse(file, settings(), FileSlice(number, 2))) for number in range(2)]
    assert [sum(batch.lines for batch in of_slice) for of_slice in batches] == [2, 0]
    assert batches[0][0].left_out == {"file without comments or posts": 2}


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=()), max_size=12), max_size=11), max_size=5), st.binary(max_size=60))
def test_any_rows_and_bytes(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], rest: bytes) -> None:
    folder = tmp_path_factory.mktemp("any") / "export_Ada_20230502"
    folder.mkdir()
    lines = "\r\n".join(",".join(f'"{field}"' for field in row) for row in rows).encode("utf-8", "surrogatepass")
    (folder / "posts.csv").write_bytes(as_csv(POSTS, [post()]).encode() + lines + rest)
    acts, _ = parsed(folder.parent)
    assert acts[0]["unit_id"] == "reddit:t3_abc"


def test_reddit_export_is_installed() -> None:
    assert find_platform("reddit-export") is PLATFORM
