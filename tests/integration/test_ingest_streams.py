"""Files in every format of the archive, whole and broken."""

import hashlib
import logging
import os
from pathlib import Path

import pytest
import zstandard

from conf.errors import ArchiveError
from etl.ingest.decoders import MOST_DECODED_PER_BYTE, PARSER_BYTES, decoder_bytes
from etl.platforms import InputFile, find_platform
from etl.platforms.streams import COMPRESSED_SUFFIXES, OTHER_WINDOW_BYTES, file_digest, line_blocks, list_files
from tests.data.pack_dump import PACKERS, pack, zstd_frames
from tests.unit.etl.platforms.reddit_rows import SETTINGS

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
    line = len(CONTENT.splitlines()[-1]) + 1
    for suffix in PACKERS:  # wherever a decoder's pieces end
        blocks = list(line_blocks(str(pack(CONTENT, tmp_path / f"RC{suffix}")), block_bytes=50_000))
        assert b"".join(blocks) == CONTENT
        assert all(block.endswith(b"\n") and 50_000 <= len(block) < 50_000 + line for block in blocks[:-1])
        assert len(blocks[-1]) < 50_000 + line


def test_a_block_has_as_few_lines_as_have_its_bytes(tmp_path):
    ten_bytes_a_line = pack(b"123456789\n" * 5, tmp_path / "RC.ndjson")
    assert {size: [len(block) for block in line_blocks(str(ten_bytes_a_line), size)] for size in (10, 20, 21)} == {
        10: [10] * 5, 20: [20, 20, 10], 21: [30, 20]
    }  # fmt: skip


@pytest.mark.parametrize("suffix", COMPRESSED_SUFFIXES)
def test_streams_one_after_the_other_are_read_to_the_last_and_padding_between_them_is_skipped(tmp_path, suffix):
    stream = PACKERS[suffix](CONTENT)
    (tmp_path / f"RC{suffix}").write_bytes(stream + stream + b"\0" * 400_000 + stream + b"\0" * 4)
    assert decoded(tmp_path / f"RC{suffix}") == CONTENT * 3


@pytest.mark.parametrize("suffix", COMPRESSED_SUFFIXES)
def test_a_stream_of_nothing_is_whole_and_has_no_lines(tmp_path, suffix):
    assert list(line_blocks(str(pack(b"", tmp_path / f"RS{suffix}")))) == []


@pytest.mark.parametrize("suffix", COMPRESSED_SUFFIXES)
@pytest.mark.parametrize("kept", [-7, -1, 12, 6])
def test_a_truncated_file_is_an_error_not_a_short_file(tmp_path, suffix, kept):
    packed = pack(CONTENT, tmp_path / f"RC{suffix}")
    packed.write_bytes(packed.read_bytes()[:kept])
    with pytest.raises(ArchiveError, match=f"RC{suffix}: cannot be decoded to its end: .*; fetch it again"):
        decoded(packed)


@pytest.mark.parametrize("suffix", COMPRESSED_SUFFIXES)
def test_a_file_that_goes_on_after_its_end_is_an_error(tmp_path, suffix):
    (tmp_path / f"RC{suffix}").write_bytes(PACKERS[suffix](CONTENT) + b"rest of a page")
    with pytest.raises(ArchiveError, match=f"RC{suffix}: cannot be decoded"):
        decoded(tmp_path / f"RC{suffix}")


@pytest.mark.parametrize("suffix", COMPRESSED_SUFFIXES)
def test_damage_that_the_codecs_checksum_tells_is_an_error(tmp_path, suffix):
    packers = PACKERS | {".zst": zstandard.ZstdCompressor(write_checksum=True).compress}
    content = packers[suffix](CONTENT)
    middle = len(content) // 2
    (tmp_path / f"RC{suffix}").write_bytes(content[:middle] + b"\xff" * 64 + content[middle + 64 :])
    with pytest.raises(ArchiveError, match="cannot be decoded"):
        decoded(tmp_path / f"RC{suffix}")


@pytest.mark.parametrize("suffix", COMPRESSED_SUFFIXES)
def test_a_page_with_a_dumps_name_is_an_error_that_says_what_is_in_it(tmp_path, suffix):
    (tmp_path / f"RC{suffix}").write_bytes(b"<html>404</html>")
    with pytest.raises(ArchiveError, match=rf"RC{suffix}: begins with b'<html>', which is no {suffix} file; fetch it again"):
        decoded(tmp_path / f"RC{suffix}")


@pytest.mark.parametrize("suffix", PACKERS)
def test_an_empty_file_is_an_error_whatever_its_name(tmp_path, suffix):
    (tmp_path / f"RC{suffix}").touch()
    with pytest.raises(ArchiveError, match=f"RC{suffix}: is empty; fetch it again"):
        decoded(tmp_path / f"RC{suffix}")


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path, suffix):
    packed = pack(CONTENT, tmp_path / f"RC{suffix}")
    digest = file_digest(str(packed))
    assert digest == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert b"".join(line_blocks(str(packed), 100_000, digest)) == CONTENT
    pack(CONTENT.replace(b"words", b"other"), packed)
    with pytest.raises(ArchiveError, match=f"RC{suffix}: changed while it was read; ingest it again"):
        list(line_blocks(str(packed), 100_000, digest))


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path, suffix):
    packed = pack(os.urandom(2**20), tmp_path / f"RC{suffix}")
    blocks = line_blocks(str(packed), 1000, file_digest(str(packed)))
    next(blocks)
    os.truncate(packed, 2**19)
    with pytest.raises(ArchiveError, match=f"RC{suffix}: (changed while it was read|cannot be decoded to its end)"):
        list(blocks)


def test_a_file_that_cannot_be_opened_is_an_error_that_says_why(tmp_path):
    (tmp_path / "RC.zst").mkdir()
    reasons = {"RC.zst": "Is a directory", "gone.zst": "No such file"}
    for name, reason in reasons.items():
        for read in (file_digest, decoded):
            with pytest.raises(ArchiveError, match=f"{name}: cannot be .*{reason}"):
                read(str(tmp_path / name))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take on another user's rights")
def test_a_file_without_permission_is_an_error_and_a_folder_too(tmp_path):
    packed = str(pack(CONTENT, tmp_path / "closed" / "RC.zst"))
    Path(packed).parent.chmod(0o700)
    os.seteuid(65534)
    try:
        for read in (file_digest, decoded):
            with pytest.raises(ArchiveError, match=r"RC.zst: cannot be .*Permission denied"):
                read(packed)
        with pytest.raises(ArchiveError, match=r"closed: cannot be listed: .*Permission denied"):
            list_files(str(tmp_path / "closed"))
    finally:
        os.seteuid(0)


def test_a_decoder_needs_what_its_header_or_its_size_tells(tmp_path):
    def needed(name: str, content: bytes, size: int = 10**10) -> int:
        (tmp_path / name).write_bytes(content)
        return decoder_bytes(InputFile(str(tmp_path / name), name, "comments", size)) - PARSER_BYTES

    assert needed("month.zst", zstd_frames(CONTENT)) == 2**31
    assert needed("small.zst", zstd_frames(CONTENT), size=1000) == 1000 * MOST_DECODED_PER_BYTE
    assert needed("known.zst", zstandard.compress(CONTENT)) == len(CONTENT)
    assert needed("skip.zst", b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + zstd_frames(CONTENT)) == 2**31
    assert needed("cut.zst", zstd_frames(CONTENT)[:4]) == 2**31
    assert needed("old.bz2", PACKERS[".bz2"](CONTENT)) == needed("plain", CONTENT) == needed("empty", b"") == OTHER_WINDOW_BYTES
    assert decoder_bytes(InputFile(str(tmp_path / "gone.zst"), "gone.zst", "comments", 10**10)) == PARSER_BYTES


def test_a_line_without_end_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("etl.platforms.streams.MAX_LINE_BYTES", 1000)
    with pytest.raises(ArchiveError, match="a line is longer"):
        decoded(pack(b"x" * 5000, tmp_path / "RC.ndjson"), block_bytes=100)


def test_a_folder_named_like_a_file_is_listed_and_what_is_in_it_too(tmp_path):
    pack(CONTENT, tmp_path / "RC.zst" / "RC.ndjson")
    assert [name for _, name, _ in list_files(str(tmp_path))] == ["RC.zst", "RC.zst/RC.ndjson"]


def test_a_name_that_is_no_utf_8_is_an_error(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/RC_\xff.zst")).touch()
    with pytest.raises(ArchiveError, match=r"cannot be listed: .*UTF-8"):
        list_files(str(tmp_path))


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ArchiveError, match="no such folder"):
        list_files(str(tmp_path / "nowhere"))


def test_dumps_are_told_from_other_files_by_name_or_rows(tmp_path, caplog):
    for name in ("RC_2009-09.zst", "below/RS_2009-09.xz", "dump.ndjson", "odd.json", "dump.gz"):
        pack(CONTENT, tmp_path / name)
    pack(CONTENT.replace(b'"body"', b'"subreddit": "tea", "body"'), tmp_path / "tea_comments")
    (tmp_path / "labels_small.jsonl").write_bytes(b'{"id": "c1", "specific": "a label"}\n')
    (tmp_path / "personas.json").write_bytes(b'{"ada": {"age": 36}}')
    (tmp_path / ".git").mkdir()
    for name in ("LICENSE", "README.md", ".hidden", "RC_2009-10.torrent", ".git/RC_2009-10.zst"):
        (tmp_path / name).write_bytes(b"text")
    with caplog.at_level(logging.INFO):
        found = {file.source_file: file.kind for file in find_platform("reddit").input_files(str(tmp_path), SETTINGS)}
    assert found.pop("below/RS_2009-09.xz") == "submissions"
    assert found == dict.fromkeys(["RC_2009-09.zst", "tea_comments", "dump.ndjson", "odd.json", "dump.gz"], "comments")
    assert "5 of 11 files are left alone" in caplog.text
    assert "personas" not in caplog.text  # such a name may be an account
