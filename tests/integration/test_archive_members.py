"""Members of archives come one after the other as streams, whole or with a named error, and nothing of them stays behind."""

import tarfile
import threading
import zipfile
from pathlib import Path

import py7zr
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conf.errors import ArchiveError
from etl.platforms.archives import is_archive, members

CONTENT = {"empty.xml": b"", "site/Posts.xml": b"".join(b"row %d\n" % number for number in range(200_000)), "site/Votes.xml": b"votes" * 1000}
FILTERS = {
    "lzma2": [{"id": py7zr.FILTER_LZMA2, "preset": 1}],
    "bzip2": [{"id": py7zr.FILTER_BZIP2}],
    "ppmd": [{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 24}],
    "zstd": [{"id": py7zr.FILTER_ZSTD, "level": 3}],
}


def seven_zip(path: Path, content: dict[str, bytes] = CONTENT, **options) -> Path:
    with py7zr.SevenZipFile(path, "w", **options) as archive:
        for name, member in content.items():
            archive.writestr(member, name)
    return path


def zipped(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in CONTENT.items():
            archive.writestr(name, member)
    return path


def tarred(path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, member in CONTENT.items():
            source = path.parent / "member"
            source.write_bytes(member)
            archive.add(source, name)
    return path


@pytest.mark.parametrize("make", [lambda folder: seven_zip(folder / "a.7z"), lambda folder: zipped(folder / "a.zip"), lambda folder: tarred(folder / "a.tgz")])
def test_wanted_members_come_whole_with_their_sizes(tmp_path, make):
    archive = str(make(tmp_path))
    assert is_archive(archive)
    assert {member.name: (member.size, member.stream.read()) for member in members(archive)} == {
        name: (len(content), content) for name, content in CONTENT.items()
    }
    assert [member.name for member in members(archive, lambda name: "Votes" in name)] == ["site/Votes.xml"]
    assert list(members(archive, lambda name: False)) == []


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_seven_zip_is_read_whatever_it_is_compressed_with(tmp_path, filters):
    found = {member.name: member.stream.read() for member in members(str(seven_zip(tmp_path / "a.7z", filters=filters)))}
    assert found == CONTENT


def test_a_member_may_be_left_half_read_and_an_archive_too(tmp_path):
    path = str(seven_zip(tmp_path / "a.7z"))
    assert [member.stream.readline() for member in members(path)] == [b"", b"row 0\n", CONTENT["site/Votes.xml"]]
    running = threading.active_count()
    reading = members(path)
    member = next(reading)
    assert threading.active_count() == running + 1
    reading.close()
    assert threading.active_count() == running
    with pytest.raises(ValueError, match="closed archive"):
        member.stream.read(1)


@pytest.mark.parametrize("header_encryption", [False, True])
def test_an_encrypted_archive_is_a_named_error(tmp_path, header_encryption):
    path = seven_zip(tmp_path / "a.7z", password="secret", header_encryption=header_encryption)
    with pytest.raises(ArchiveError, match=r"a\.7z: is encrypted"):
        list(members(str(path)))


@pytest.fixture(scope="module")
def small_archive(tmp_path_factory):
    return seven_zip(tmp_path_factory.mktemp("small") / "a.7z", {"a": b"hello world" * 1000, "b": b"x" * 999})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 150), changes=st.dictionaries(st.integers(0, 300), st.integers(0, 255), max_size=3))
def test_a_damaged_seven_zip_gives_its_content_or_a_named_error(small_archive, cut, changes):
    content = bytearray(small_archive.read_bytes())
    for place, byte in changes.items():
        content[place % len(content)] = byte
    damaged = small_archive.parent / "damaged.7z"
    damaged.write_bytes(content[: len(content) - cut])
    found = contents_or_reason(damaged)
    assert "damaged.7z: " in found if isinstance(found, str) else set(found) <= {b"hello world" * 1000, b"x" * 999}


def contents_or_reason(path: Path) -> list[bytes] | str:
    try:
        return [member.stream.read() for member in members(str(path))]
    except ArchiveError as error:
        return str(error)
