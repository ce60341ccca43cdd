"""Files in every format of the archive, whole and broken."""

import logging

import pytest
import zstandard

from conf.errors import ArchiveError
from etl.platforms import find_platform
from etl.platforms.streams import line_blocks, list_files
from tests.data.pack_dump import PACKERS, pack, zstd_frames

CONTENT = b"".join(b'{"id": "c%d", "body": "words", "created_utc": 1251763200, "link_id": "t3_abc"}\n' % number for number in range(5000))


def decoded(path, block_bytes=100_000):
    return b"".join(line_blocks(str(path), block_bytes))


@pytest.mark.parametrize("suffix", PACKERS)
def test_every_format_is_decoded_also_without_a_suffix(tmp_path, suffix):
    packed = pack(CONTENT, tmp_path / f"RC_2009-09{suffix}")
    assert decoded(packed) == CONTENT
    assert decoded(packed.rename(tmp_path / "RC_2009-09")) == CONTENT


@pytest.mark.parametrize("frames", [1, 2, 40])
def test_zstd_frames_with_a_window_of_two_gigabytes_are_read_to_the_last(tmp_path, frames):
    packed = zstd_frames(CONTENT, frames)
    assert zstandard.get_frame_parameters(packed).window_size == 2**31
    (tmp_path / "RC.zst").write_bytes(packed)
    assert decoded(tmp_path / "RC.zst") == CONTENT


def test_a_skippable_frame_in_front_is_skipped(tmp_path):
    (tmp_path / "RC.zst").write_bytes(b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + zstd_frames(CONTENT))
    assert decoded(tmp_path / "RC.zst") == CONTENT


def test_blocks_end_at_line_ends_and_none_is_much_too_long(tmp_path):
    blocks = list(line_blocks(str(pack(CONTENT, tmp_path / "RC.ndjson")), block_bytes=50_000))
    assert b"".join(blocks) == CONTENT
    assert all(block.endswith(b"\n") for block in blocks)
    assert list(line_blocks(str(pack(b"", tmp_path / "RS.ndjson")))) == []


@pytest.mark.parametrize("suffix", [".zst", ".bz2", ".xz", ".gz"])
def test_a_truncated_file_is_an_error_not_a_short_file(tmp_path, suffix):
    packed = pack(CONTENT, tmp_path / f"RC{suffix}")
    packed.write_bytes(packed.read_bytes()[:-7])
    with pytest.raises(ArchiveError, match=f"RC{suffix}: cannot be decoded to its end"):
        decoded(packed)


def test_a_damaged_file_is_an_error(tmp_path):
    (tmp_path / "RC.zst").write_bytes(zstd_frames(CONTENT) + b"rest of a page")
    with pytest.raises(ArchiveError, match="cannot be decoded"):
        decoded(tmp_path / "RC.zst")


def test_a_page_with_a_dumps_name_is_an_error_that_says_what_is_in_it(tmp_path):
    (tmp_path / "RC.zst").write_bytes(b"<html>404</html>")
    with pytest.raises(ArchiveError, match=r"RC.zst: begins with b'<html>', which is no .zst file"):
        decoded(tmp_path / "RC.zst")


def test_a_line_without_end_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("etl.platforms.streams.MAX_LINE_BYTES", 1000)
    with pytest.raises(ArchiveError, match="a line is longer"):
        decoded(pack(b"x" * 5000, tmp_path / "RC.ndjson"), block_bytes=100)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ArchiveError, match="no such folder"):
        list_files(str(tmp_path / "nowhere"))


def test_dumps_are_told_from_other_files_by_name_or_rows(tmp_path, caplog):
    for name in ("RC_2009-09.zst", "below/RS_2009-09.xz", "tea_comments", "dump.ndjson", "odd.json", "dump.gz"):
        pack(CONTENT, tmp_path / name)
    (tmp_path / "labels_small.jsonl").write_bytes(b'{"id": "c1", "specific": "a label"}\n')
    (tmp_path / "personas.json").write_bytes(b'{"ada": {"age": 36}}')
    (tmp_path / ".git").mkdir()
    for name in ("LICENSE", "README.md", ".hidden", "RC_2009-10.torrent", ".git/RC_2009-10.zst"):
        (tmp_path / name).write_bytes(b"text")
    with caplog.at_level(logging.INFO):
        found = {file.source_file: file.kind for file in find_platform("reddit").input_files(str(tmp_path))}
    assert found.pop("below/RS_2009-09.xz") == "submissions"
    assert found == dict.fromkeys(["RC_2009-09.zst", "tea_comments", "dump.ndjson", "odd.json", "dump.gz"], "comments")
    assert all(name in caplog.text for name in ("labels_small.jsonl", "personas.json", "LICENSE", "README.md", "RC_2009-10.torrent"))
