"""What it costs to bring a dump of comments into the lake, beside the usual ways to read one: MB of JSON a CPU second, each in a process of its own.

    python -m benchmarks.ingest FILE.zst

What is not installed (orjson, polars, chdb, duckdb) is left out.

The others decode and write the same raw fields to Parquet (zstd), convert nothing and set nothing aside; `kindred` commits a Delta table of acts:
pseudonyms, unescaped text, typed columns, casts counted, rejects with their line. The start of a Spark session is measured apart and taken off.
"""

import argparse
import importlib.util
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from benchmarks.cpu import Cost, cost_of, cost_of_spark_start
from etl.platforms.reddit.records import Comment
from etl.platforms.streams import line_blocks

FIELDS = {
    "id": pa.string(), "author": pa.string(), "created_utc": pa.int64(), "body": pa.string(), "link_id": pa.string(), "parent_id": pa.string(),
    "subreddit": pa.string(), "subreddit_type": pa.string(), "score": pa.int64(), "controversiality": pa.int64(), "distinguished": pa.string(),
    "stickied": pa.bool_(), "is_submitter": pa.bool_(), "retrieved_on": pa.int64(),
}  # fmt: skip
SCHEMA = pa.schema(list(FIELDS.items()))
BLOCK_BYTES = 16 * 2**20


def json_loads(path: str, _: Path) -> None:
    """The usual script: a line at a time, nothing kept."""
    import zstandard

    with open(path, "rb") as file, zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(file, read_across_frames=True) as stream:
        for line in io.TextIOWrapper(stream, "utf-8"):
            json.loads(line)


def orjson_lines(path: str, _: Path) -> None:
    """orjson a line, nothing kept."""
    import orjson

    for block in line_blocks(path):
        for line in block.splitlines():
            orjson.loads(line)


def msgspec_parquet(path: str, out: Path) -> None:
    """msgspec structs of 16 MB blocks, to Parquet."""
    import msgspec

    decoder = msgspec.json.Decoder(Comment)
    _write(({name: [getattr(row, name) for row in rows] for name in FIELDS} for rows in map(decoder.decode_lines, line_blocks(path, BLOCK_BYTES))), out)


def pyarrow_parquet(path: str, out: Path) -> None:
    """pyarrow's JSON reader on 16 MB blocks, to Parquet."""
    options = pj.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="ignore")
    reading = pj.ReadOptions(use_threads=False, block_size=64 * 2**20)
    with pq.ParquetWriter(out, SCHEMA, compression="zstd") as writer:
        for block in line_blocks(path, BLOCK_BYTES):
            writer.write_table(pj.read_json(io.BytesIO(block), read_options=reading, parse_options=options))


def polars_parquet(path: str, out: Path) -> None:
    """polars on 16 MB blocks, to Parquet."""
    import polars as pl

    types = {"string": pl.String, "int64": pl.Int64, "bool": pl.Boolean}
    schema = {name: types[str(kind)] for name, kind in FIELDS.items()}
    with pq.ParquetWriter(out, SCHEMA, compression="zstd") as writer:
        for block in line_blocks(path, BLOCK_BYTES):
            writer.write_table(pl.read_ndjson(block, schema=schema).to_arrow().cast(SCHEMA))


def chdb_parquet(path: str, out: Path) -> None:
    """ClickHouse in the process: lines, JSONExtract, Parquet."""
    import chdb

    types = {"string": "Nullable(String)", "int64": "Nullable(Int64)", "bool": "Nullable(Bool)"}
    fields = ", ".join(f"{name} {types[str(kind)]}" for name, kind in FIELDS.items())
    query = (
        f"SELECT r.* FROM (SELECT JSONExtract(line, 'Tuple({fields})') AS r FROM file('{path}', 'LineAsString')) "
        f"INTO OUTFILE '{out}' FORMAT Parquet SETTINGS zstd_window_log_max=31, max_threads=1, output_format_parquet_compression_method='zstd'"
    )
    chdb.query(query)


def duckdb_parquet(path: str, out: Path) -> None:
    """DuckDB on the lines of 16 MB blocks, json_transform, to Parquet; it cannot read the archive's zstd window by itself."""
    import duckdb

    types = {"string": "VARCHAR", "int64": "BIGINT", "bool": "BOOLEAN"}
    structure = json.dumps({name: types[str(kind)] for name, kind in FIELDS.items()})
    connection = duckdb.connect(config={"threads": 1})
    with pq.ParquetWriter(out, SCHEMA, compression="zstd") as writer:
        for block in line_blocks(path, BLOCK_BYTES):
            connection.register("lines", pa.table({"line": _lines(block)}))
            writer.write_table(connection.sql(f"SELECT unnest(json_transform(line, '{structure}')) FROM lines").to_arrow_table().cast(SCHEMA))


def kindred(path: str, out: Path) -> None:
    """`kindred etl ingest` of this file alone to a committed Delta table of acts."""
    from etl.jobs import ingest

    dump = out.with_name("dump")
    dump.mkdir()
    (dump / Path(path).name).symlink_to(Path(path).resolve())
    ingest.main(["--dump", str(dump), "--lake", str(out), "--set", "lake.spark_master=local[1]", "--set", f"lake.pseudonym_key_file={out}.key"])


KINDRED = "kindred etl ingest to Delta"
CONTENDERS: dict[str, tuple[Callable[[str, Path], None], str | None]] = {
    "json.loads a line, nothing kept": (json_loads, None),
    "orjson a line, nothing kept": (orjson_lines, "orjson"),
    "msgspec to Parquet": (msgspec_parquet, "msgspec"),
    "pyarrow to Parquet": (pyarrow_parquet, None),
    "polars to Parquet": (polars_parquet, "polars"),
    "chDB to Parquet": (chdb_parquet, "chdb"),
    "DuckDB to Parquet": (duckdb_parquet, "duckdb"),
    KINDRED: (kindred, None),
}


def main() -> None:
    """Measure each contender, or be one (--only)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="a .zst dump of comments of one era, about 1 GB of JSON")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    values = parser.parse_args()
    if values.only:
        CONTENDERS[values.only][0](values.file, values.out)
        return
    megabytes = sum(map(len, line_blocks(values.file))) / 1e6
    print(f"{values.file}: {megabytes:,.0f} MB of JSON")
    print(f"{'':<34}{'CPU s':>8}{'MB/CPU s':>10}{'peak MB':>9}")
    _say("zstd -d --long=31", cost_of(["zstd", "-d", "--long=31", "-q", "-c", values.file]), megabytes)
    start = cost_of_spark_start(cores=1, jvm_idles=True)
    _say("start of a Spark session", start, None)
    for name, (_, module) in CONTENDERS.items():
        if module and importlib.util.find_spec(module) is None:
            print(f"{name:<34}{'not installed':>18}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                cost = cost_of([sys.executable, "-m", "benchmarks.ingest", values.file, "--only", name, "--out", str(Path(folder) / "out")])
            except subprocess.CalledProcessError as failure:
                print(f"{name:<34}failed: {failure.stderr.strip().splitlines()[-1]}")
                continue
        if name == KINDRED:
            cost = replace(cost, cpu_seconds=cost.cpu_seconds - start.cpu_seconds)
        _say(name, cost, megabytes)


def _say(name: str, cost: Cost, megabytes: float | None) -> None:
    rate = f"{megabytes / cost.cpu_seconds:>10.0f}" if megabytes else f"{'':>10}"
    print(f"{name:<34}{cost.cpu_seconds:>8.1f}{rate}{cost.peak_bytes / 1e6:>9.0f}", flush=True)


def _lines(block: bytes) -> pa.StringArray:
    """A block's lines, which stay where they are."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + 1
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(block))


def _write(blocks: Iterator[dict[str, list[Any]]], out: Path) -> None:
    with pq.ParquetWriter(out, SCHEMA, compression="zstd") as writer:
        for columns in blocks:
            writer.write_table(pa.table(columns, schema=SCHEMA))


if __name__ == "__main__":
    main()
