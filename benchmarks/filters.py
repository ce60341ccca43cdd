"""What each filter and mask of `etl units` costs: CPU seconds a million acts, on acts of an existing lake.

    python -m benchmarks.filters LAKE

Filters, masks and the identifier of languages run in this process, one thread, in batches; each figure is the least of three runs. The rule that finds bots
runs in a Spark session of its own on all acts of the lake, the start of a session taken off.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial

import pyarrow as pa

from benchmarks.cpu import cost_of, cost_of_spark_start
from etl.config import UnitFilters
from etl.platforms.mentions import without_mentions
from etl.units.bots import listed_names
from etl.units.filters import filtered_out
from etl.units.languages import with_languages
from etl.units.masking import cleaned, without_control_characters
from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig

ROWS = 250_000
ROWS_A_BATCH = 8192
RUNS = 3
CORES = 2
BOTS = pa.array(listed_names("reddit"))  # any strings cost alike
FILTERS = {
    "filters off": UnitFilters(),
    "communities (100)": UnitFilters(communities_include=tuple(f"community{number}" for number in range(100))),
    "dates": UnitFilters(date_from="2010-01-01", date_to="2030-01-01"),
    "over_18, promoted, stickied, distinguished": UnitFilters(drop_over_18=True, drop_promoted=True, drop_stickied=True, drop_distinguished=True),
    "bots, once they are known": UnitFilters(drop_bots=True),
    "at least 5 words": UnitFilters(min_words=5),
    "languages, once they are known": UnitFilters(languages=("en", "de")),
}
REPEATING = """
import sys
from etl.units.bots import repeating_users
from etl.config import EtlConfig
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.spark_tables import read, spark_session
lake, config = LakeConfig(path=sys.argv[1], spark_master=sys.argv[2]), EtlConfig()
with spark_session("bots", lake) as spark:
    repeating_users(read(spark, lake, ACTS), config.bot_min_acts, config.bot_repeated_share).collect()
"""

Work = Callable[[pa.RecordBatch], object]


def main() -> None:
    """Print what everything costs on the acts of one lake."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake", metavar="LAKE")
    lake = LakeConfig(path=parser.parse_args().lake)
    pa.set_cpu_count(1)
    acts = _acts(lake)
    rows, batches = acts.num_rows, acts.to_batches(max_chunksize=ROWS_A_BATCH)
    print(f"{rows:,} acts, {acts['text'].nbytes / rows:.0f} bytes of text each; CPU seconds a million acts")
    for name, work in _works().items():
        _say(name, min(_cpu_seconds(work, batches) for _ in range(RUNS)), rows)
    all_rows = arrow_tables.count_rows(lake, ACTS)
    start = cost_of_spark_start(CORES)
    found = cost_of([sys.executable, "-c", REPEATING, lake.path, f"local[{CORES}]"])
    print(f"accounts that repeat themselves: {found.cpu_seconds - start.cpu_seconds:.1f} CPU s for {all_rows:,} acts, most of it the JVM's own on a small lake")


def _acts(lake: LakeConfig) -> pa.Table:
    """The first acts of a lake, as one run of rows."""
    batches: list[pa.RecordBatch] = []
    for batch in arrow_tables.read_batches(lake, ACTS):
        batches.append(batch)
        if sum(other.num_rows for other in batches) >= ROWS:
            break
    return pa.Table.from_batches(batches).slice(0, ROWS).combine_chunks()


def _works() -> dict[str, Work]:
    works: dict[str, Work] = {name: partial(filtered_out, filters=filters, bots=BOTS) for name, filters in FILTERS.items()}
    return works | {
        "languages identified": with_languages,
        "control characters and names, every text worked on": lambda acts: without_mentions(without_control_characters(acts["text"])),
        "control characters and names": lambda acts: cleaned(acts["text"], mask_contacts=False),
        "control characters, names and contacts": lambda acts: cleaned(acts["text"], mask_contacts=True),
    }


def _cpu_seconds(work: Work, batches: list[pa.RecordBatch]) -> float:
    before = time.process_time()
    for batch in batches:
        work(batch)
    return time.process_time() - before


def _say(name: str, cpu_seconds: float, rows: int) -> None:
    print(f"{name:<75}{cpu_seconds / rows * 1e6:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
