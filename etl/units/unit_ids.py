"""Whether each act has a `unit_id` of its own: counted in a sample of the ids, the same in every task, which for small lakes is all of them.

Copies of an act inside one thread are settled as duplicates; what is counted here are units and objects of one id in several threads. Objects of earlier
runs are not looked at: they stand in no table that is cheap to read.
"""

import hashlib
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from etl.tasks.files import TableFile
from lake.config import LakeConfig
from lake.table_files import open_parquet
from lake.units import UNITS

IDS_IN_SAMPLE = 2**20
"""So many ids are compared at most, about: 8 MB on the driver. It reads as many of units that were there already, which takes it a second."""
FILES_READ = 64


def one_in(units: int) -> int:
    """Of how many ids one is in the sample: a power of two, 1 where all are."""
    return 1 << max(0, (units - 1) // IDS_IN_SAMPLE).bit_length()


def sampled_ids(unit_ids: pa.Array | pa.ChunkedArray, of: int) -> np.ndarray:
    """64-bit hashes of those ids that are in a sample of one in `of`, wherever they are met. Shape: (n,), uint64."""
    sampled = (unit_id for unit_id in map(str.encode, unit_ids.to_pylist()) if zlib.crc32(unit_id) % of == 0)
    return np.fromiter((int.from_bytes(hashlib.blake2b(unit_id, digest_size=8).digest()) for unit_id in sampled), np.uint64)


def ids_in_files(lake: LakeConfig, files: Sequence[TableFile], of: int) -> tuple[np.ndarray, float]:
    """Sampled ids (n,) among those that stand in files of `units`, and the share of the files' bytes that was read: all of it, where they are few."""
    ids: list[np.ndarray] = [np.empty(0, np.uint64)]
    rows = size = 0
    in_random_order = sorted(files, key=lambda file: zlib.crc32(file.path.encode()))  # not by name: files of one run have names alike
    for file in in_random_order[:FILES_READ]:
        if rows >= IDS_IN_SAMPLE:
            break
        unit_ids = open_parquet(lake, UNITS, file.path).read(columns=["unit_id"])["unit_id"]
        ids.append(sampled_ids(unit_ids, of))
        rows, size = rows + len(unit_ids), size + file.size
    return np.concatenate(ids), size / sum(file.size for file in files) if files else 1.0


def ids_of_several(made: Iterable[np.ndarray], known: np.ndarray, of: int, known_share: float) -> int:
    """How many ids stand for several acts, about: of units and objects met in one run, and of units `known` before, a share of them all.

    Exact where `of` and `known_share` are 1.
    """
    ids, counts = np.unique(np.concatenate([np.empty(0, np.uint64), *made]), return_counts=True)
    is_known = np.isin(ids, known)
    among_made = counts > 1
    return round(of * (among_made.sum() + (is_known & ~among_made).sum() / known_share))
