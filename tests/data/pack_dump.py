"""Packs hand-made lines the way the archive does: zstd frames with a window of 2 GiB, or one of the formats of older months.

python tests/data/pack_dump.py OUT_FOLDER        packs every .ndjson beside this script
"""

import bz2
import gzip
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import zstandard

LINES = Path(__file__).parent
WINDOW_LOG = 31


def zstd_frames(content: bytes, frames: int = 1) -> bytes:
    """The content as so many zstd frames, one after the other; like the archive's, they do not tell their length."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=WINDOW_LOG, write_content_size=False)
    length = -(-len(content) // frames)
    packed = b""
    for number in range(frames):
        frame = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        packed += frame.compress(content[number * length : (number + 1) * length]) + frame.flush()
    return packed


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".zst": zstd_frames,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".gz": gzip.compress,
    ".ndjson": bytes,
    ".json": bytes,
    ".jsonl": bytes,
    "": bytes,
}


def pack(content: bytes, path: Path) -> Path:
    """Write the content in the format of the path's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(PACKERS[path.suffix](content))
    return path


def pack_hand_made(folder: Path) -> Path:
    """Write the hand-made lines of this folder as .zst files; returns where they are."""
    for lines in sorted(LINES.glob("*.ndjson")):
        pack(lines.read_bytes(), folder / f"{lines.stem}.zst")
    return folder


if __name__ == "__main__":
    print(pack_hand_made(Path(sys.argv[1])))
