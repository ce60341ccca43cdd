"""Lists as sha256sum writes them, and which file an entry is about."""

from pathlib import Path

import pytest

from conf.errors import ArchiveError
from etl.ingest.checksums import ListedDigest, listed_digests, read_checksums
from etl.platforms import InputFile

A, B = "a" * 64, "b" * 64


def listed(*entries: tuple[str, str]) -> list[ListedDigest]:
    return [ListedDigest(tuple(name.split("/")), digest) for name, digest in entries]


def files(*source_files: str) -> list[InputFile]:
    return [InputFile(f"/dump/{source_file}", source_file, None, 1) for source_file in source_files]


def test_every_form_of_a_line_is_read(tmp_path: Path):
    lines = ["# a comment", "", f"{A}  RC_2006-01.zst", f"{B.upper()} *./comments/RC 2.zst\r", "  ", rf"\{A}  a\\b\nc.zst", f"{B}  /root/x"]
    (tmp_path / "list").write_bytes(b"\xef\xbb\xbf" + "\n".join(lines).encode())
    expected = listed(("RC_2006-01.zst", A), ("comments/RC 2.zst", B), ("a\\b\nc.zst", A), ("root/x", B))
    assert read_checksums(str(tmp_path / "list")) == expected


@pytest.mark.parametrize("line", ["RC_2006-01.zst", f"{A[:-1]}  RC.zst", f"{A}", f"{A} RC.zst", f"{A}  ", "<html>", f"{A}  ."])
def test_a_line_of_another_form_is_an_error_with_its_number(tmp_path: Path, line: str):
    (tmp_path / "list").write_text(f"{A}  RC_2006-01.zst\n{line}\n")
    with pytest.raises(ArchiveError, match=r"list, line 2: .*expected a list as sha256sum writes it"):
        read_checksums(str(tmp_path / "list"))


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_list_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None):
    if content:
        (tmp_path / "list").write_bytes(content)
    with pytest.raises(ArchiveError, match="list: the list of SHA-256 digests cannot be read"):
        read_checksums(str(tmp_path / "list"))


@pytest.mark.parametrize(
    ("name", "source_file"),
    [("RC.zst", "RC.zst"), ("RC.zst", "comments/RC.zst"), ("reddit/comments/RC.zst", "RC.zst"), ("reddit/comments/RC.zst", "comments/RC.zst")],
)
def test_a_list_of_a_folder_above_or_below_the_dump_names_its_files(name: str, source_file: str):
    assert listed_digests(listed((name, A), ("other.zst", B)), files(source_file, "absent.zst"), "list") == {source_file: A}


def test_names_agree_in_whole_parts_and_the_longest_agreement_counts():
    entries = listed(("one/RC.zst", A), ("two/RC.zst", B), ("xRC.zst", B))
    assert listed_digests(entries, files("one/RC.zst", "dump/two/RC.zst", "three/RC.zst"), "list") == {"one/RC.zst": A, "dump/two/RC.zst": B}
    assert listed_digests(listed(("one/RC.zst", A), ("RC.zst", B)), files("one/RC.zst", "two/RC.zst"), "list") == {"one/RC.zst": A, "two/RC.zst": B}


def test_two_digests_of_one_file_are_an_error_and_one_said_twice_is_none():
    with pytest.raises(ArchiveError, match=r"list: gives RC.zst 2 different digests"):
        listed_digests(listed(("one/RC.zst", A), ("two/RC.zst", B)), files("RC.zst"), "list")
    assert listed_digests(listed(("one/RC.zst", A), ("two/RC.zst", A)), files("RC.zst"), "list") == {"RC.zst": A}


@pytest.mark.parametrize("entries", [[], listed(("RS.zst", A))])
def test_a_list_of_other_files_alone_is_an_error(entries: list[ListedDigest]):
    with pytest.raises(ArchiveError, match=f"list: none of its {len(entries)} entries is a file of the dump"):
        listed_digests(entries, files("RC.zst"), "list")


def test_a_list_has_the_names_of_files_on_disk_where_the_lake_has_pseudonyms():
    file = InputFile("/dump/ada/ada_comments.zst", "0123456789abcdef/0123456789abcdef_comments.zst", "comments", 1)
    assert listed_digests(listed(("ada/ada_comments.zst", A)), [file], "list") == {file.source_file: A}
    for entries in ([("ada/ada_comments.zst", A), ("x/ada/ada_comments.zst", B)], [("bob_comments.zst", A)]):
        with pytest.raises(ArchiveError) as error:
            listed_digests(listed(*entries), [file], "/home/ada/list")
        assert "ada" not in error.value.public
