"""What finding units that say nearly the same costs, and by what signatures are made at what cost and quality.

    python -m benchmarks.duplicates LAKE

CPU seconds a million units of the lake; signatures and groups in this process, one thread, the least of three runs. A MinHash of 64 numbers alone is made
in three ways, of the same hashes of pairs of words; rensa and datasketch are left out where they are not installed. Then `etl units` makes all units of the
lake's acts in fresh lakes, without and with the search in turns, on two cores.
"""

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.cpu import cost_of, cost_of_spark_start
from etl.config import EtlConfig
from etl.tasks.files import table_file
from etl.units.duplicates import groups_of_files, portions
from etl.units.signatures import UNITS_AT_ONCE, min_hashes, pairs_of_words, signature_rows, word_hashes
from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.units import SIGNATURE_BYTES, UNIT_SIGNATURES, UNITS

ROWS = 250_000
RUNS = 3
CORES = 2
STEP = 10
"""Of so many batches of units one is used to compare ways to a MinHash."""
CONFIG = EtlConfig()

Sets = tuple[np.ndarray, np.ndarray]
"""Values of sets, one set after the other, and where each begins."""


def rensa_min_hashes(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """rensa (Rust), which gives rows of Python integers."""
    from rensa import RMinHash

    borders = np.append(starts, len(values)).astype(np.uint64)
    return np.array(RMinHash.digest_matrix_from_flat_token_hashes(values.astype(np.uint64), borders, SIGNATURE_BYTES, 1).to_rows(), np.uint32)


def datasketch_min_hashes(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """datasketch's MinHash.bulk, which takes bytes."""
    from datasketch import MinHash

    tokens = [[value.tobytes() for value in part] for part in np.split(values, starts[1:])]
    return np.stack([made.hashvalues for made in MinHash.bulk(tokens, num_perm=SIGNATURE_BYTES)])


WAYS: dict[str, Callable[..., np.ndarray]] = {"numpy": min_hashes, "rensa": rensa_min_hashes, "datasketch": datasketch_min_hashes}


def main() -> None:
    """Print what everything costs on the units of one lake."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake", metavar="LAKE")
    lake = LakeConfig(path=parser.parse_args().lake)
    pa.set_cpu_count(1)
    units = arrow_tables.read(lake, UNITS).slice(0, ROWS)
    signed = signature_rows(units, CONFIG.duplicate_min_words).num_rows
    print(f"{units.num_rows:,} units, {signed:,} of them with {CONFIG.duplicate_min_words} words; CPU seconds a million units")
    _say("signatures", _seconds(lambda: signature_rows(units, CONFIG.duplicate_min_words)) / units.num_rows)
    files = [table_file(file, UNIT_SIGNATURES) for file in arrow_tables.live_files(arrow_tables.open_table(lake, UNIT_SIGNATURES))]
    (paths,) = portions({file.partition for file in files}, files, sys.maxsize)
    found = _seconds(lambda: [groups_of_files(lake, of_partition, CONFIG.duplicate_similarity) for of_partition in paths.values()])
    _say(f"groups ({len(paths)} partitions)", found / arrow_tables.count_rows(lake, UNITS))
    some = units.to_batches(max_chunksize=UNITS_AT_ONCE)[::STEP]
    sets = [_sets(batch) for batch in some]
    for name, way in WAYS.items():
        if name == "numpy" or importlib.util.find_spec(name):
            _say(f"MinHash alone: {name}", _seconds(partial(_signed, way, sets)) / sum(batch.num_rows for batch in some))
            print(f"    error of a similarity (root of the mean square): {np.mean([_error(way, *of_batch) for of_batch in sets[:3]]):.4f}")
    _whole_job(lake)


def _sets(units: pa.RecordBatch) -> Sets:
    """Pairs of words of the units with enough words, by their texts."""
    words, counts = word_hashes(units["text"])
    has_enough = counts >= CONFIG.duplicate_min_words
    return pairs_of_words(words[np.repeat(has_enough, counts)], counts[has_enough])


def _signed(way: Callable[..., np.ndarray], sets: list[Sets]) -> list[np.ndarray]:
    return [way(*of_batch) for of_batch in sets]


def _error(way: Callable[..., np.ndarray], values: np.ndarray, starts: np.ndarray) -> float:
    """How far estimated similarities are from true ones, of sets and the same with up to a quarter of the values replaced."""
    generator = np.random.default_rng(1)
    is_replaced = generator.random(len(values)) < np.repeat(generator.random(len(starts)) / 4, np.diff(starts, append=len(values)))
    others = np.where(is_replaced, generator.integers(0, 2**32, len(values), dtype=np.uint32), values)
    pairs = zip(np.split(values, starts[1:]), np.split(others, starts[1:]), strict=True)
    true = np.array([len(np.intersect1d(one, other)) / len(np.union1d(one, other)) for one, other in pairs])
    one, other = way(values, starts), way(others, starts)
    by_chance = 1 / 256 if one.dtype == np.uint8 else 0
    return float(np.sqrt(((((one == other).mean(axis=1) - by_chance) / (1 - by_chance) - true) ** 2).mean()))


def _whole_job(lake: LakeConfig) -> None:
    acts, start = arrow_tables.count_rows(lake, ACTS), cost_of_spark_start(CORES).cpu_seconds
    for search in ("false", "true") * RUNS:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / ACTS.name).symlink_to(Path(lake.path).resolve() / ACTS.name)
            settings = (f"lake.spark_master=local[{CORES}]", f"etl.find_duplicates={search}")
            cost = cost_of([sys.executable, "-m", "etl.jobs.units", "--lake", folder, *(word for setting in settings for word in ("--set", setting))])
            _say(f"etl units, etl.find_duplicates={search}", (cost.cpu_seconds - start) / acts)


def _seconds(work: Callable[[], Any]) -> float:
    """CPU seconds of the least of some runs."""
    seconds = []
    for _ in range(RUNS):
        before = time.process_time()
        work()
        seconds.append(time.process_time() - before)
    return min(seconds)


def _say(name: str, seconds_each: float) -> None:
    print(f"{name:<40}{seconds_each * 1e6:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
