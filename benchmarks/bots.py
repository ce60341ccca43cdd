"""What the rule that finds repeating accounts finds on a dump, by threshold, and whom: names are for the person who judges them, and are kept nowhere.

python -m benchmarks.bots DUMP
"""

import argparse
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame

from etl.config import EtlConfig
from etl.platforms import ParseSettings
from etl.platforms.reddit import PLATFORM
from etl.units.bots import listed_names, repeating_users
from lake.config import LakeConfig
from lake.spark_tables import spark_session

MIN_ACTS = (5, 10, 20)
MIN_SHARES = (0.5, 0.7, 0.8, 0.9, 1.0)


def main() -> None:
    """Print a table of thresholds, and the accounts that the default ones find."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dump", metavar="DUMP")
    dump, config = parser.parse_args().dump, EtlConfig()
    listed = {name.lower() for name in listed_names(PLATFORM.name)}
    with tempfile.TemporaryDirectory() as folder, spark_session("bots", LakeConfig(path=folder, spark_master="local[2]")) as spark:
        path = Path(folder) / "acts.parquet"
        names = _write_acts(dump, path)
        rows = spark.read.parquet(str(path)).cache()
        known = sorted(name for name in names if name.lower() in listed)
        print(f"{len(names):,} accounts, {len(known)} of them on the list: {', '.join(known)}")
        print(f"{'texts':>6}{'share':>7}{'found':>7}{'listed':>8}")
        for min_acts in MIN_ACTS:
            for min_share in MIN_SHARES:
                found = _found(rows, min_acts, min_share)
                print(f"{min_acts:>6}{min_share:>7}{len(found):>7}{sum(name.lower() in listed for name in found):>8}", flush=True)
        found = _found(rows, config.bot_min_acts, config.bot_repeated_share)
        print(f"at {config.bot_min_acts} texts and {config.bot_repeated_share}, not listed: {', '.join(name for name in found if name.lower() not in listed)}")


def _write_acts(dump: str, path: Path) -> set[str]:
    """Write the dump's acts as `user_id` (here the name), `title`, `text`; returns all names."""
    names: set[str] = set()
    with pq.ParquetWriter(path, pa.schema({"user_id": pa.string(), "title": pa.string(), "text": pa.string()})) as writer:
        for acts in _acts(dump):
            users = pc.map_lookup(acts["attributes"], pa.scalar("user_name"), "first")
            names.update(name for name in users.to_pylist() if name)
            writer.write_table(pa.table({"user_id": users, "title": acts["title"], "text": acts["text"]}))
    return names


def _acts(dump: str) -> Iterator[pa.Table]:
    settings = ParseSettings(bytes(16), datetime.now(UTC), keep_names=True)
    for file in PLATFORM.input_files(dump, settings):
        yield from (batch.acts for batch in PLATFORM.parse(file, settings))


def _found(rows: DataFrame, min_acts: int, min_share: float) -> list[str]:
    return sorted(row.user_id for row in repeating_users(rows, min_acts, min_share).collect())


if __name__ == "__main__":
    main()
