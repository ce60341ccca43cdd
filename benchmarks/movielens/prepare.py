"""MovieLens as it is published -> a lake with examples, and the split as a file for other recommenders.

    python -m benchmarks.movielens.prepare FOLDER SPLIT.parquet --lake DIR --config benchmarks/movielens/films.yaml [--set trainer.examples.held_out_acts=later]

FOLDER has u.data and u.item, or, with the sections `etl` and `teacher` of movielens-1m.yaml in PLATFORMS.md, ratings.dat and movies.dat. Their licence forbids to hand the data on: none of it is in this repository, and the split is of pseudonyms and hashes.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.movielens.split import split_table
from conf.arguments import job_parser, parse_job_arguments
from conf.errors import ConfigError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES
from lake.labels import ITEMS
from pipeline import cli
from trainer.evaluation.people import BATCH_ROWS, acts_held_out, catalogue_items

CATALOGUES = ("u.item", "movies.dat")
"""Names of the films' file, of MovieLens-100K and of MovieLens-1M."""
JOBS = ("etl units", "etl sequences", "teacher import-items", "trainer examples")


def main(argv: Sequence[str] | None = None) -> None:
    """Run all jobs up to the examples, and write the split. What was done before is not done again."""
    parser = job_parser(__doc__ or "", "python -m benchmarks.movielens.prepare")
    parser.add_argument("folder", type=Path, help="the published folder")
    parser.add_argument("split", type=Path, help="Parquet file to write")
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = parse_job_arguments(parser, given)
    folder, split = arguments.values.folder, arguments.values.split
    films = next((folder / name for name in CATALOGUES if (folder / name).is_file()), None)
    if films is None:
        raise ConfigError(f"{folder}: no MovieLens as it is published; expected {' or '.join(CATALOGUES)} in it")
    shared = [word for word in given if word not in (str(folder), str(split))]
    run(["etl", "ingest", "--platform", "generic", "--dump", str(folder), *shared])
    for job in JOBS:
        run([*job.split(), *([str(films)] if job == "teacher import-items" else []), *shared])
    write_split(arguments.section("lake", LakeConfig), split)


def run(words: list[str]) -> None:
    """One command. Raises SystemExit where it fails, as it says itself."""
    if status := cli.main(words):
        raise SystemExit(status)


def write_split(lake: LakeConfig, file: Path) -> None:
    """Write the split that `examples` has. Raises ConfigError where they hold whole people out."""
    examples, items = (arrow_tables.table_version(lake, spec) for spec in (EXAMPLES, ITEMS))
    assert examples is not None
    assert items is not None
    if acts_held_out(lake, examples) is None:
        raise ConfigError("examples: they hold whole people out, not acts; set trainer.examples.held_out_acts")
    columns = ("person_id", "history", "cuts", "acted_on", "trained_units")
    batches = arrow_tables.read_batches(lake, EXAMPLES, columns, version=examples, batch_rows=BATCH_ROWS)
    found = split_table((row for batch in batches for row in batch.to_pylist()), catalogue_items(lake, {ITEMS.name: items}))
    pq.write_table(found, file)


if __name__ == "__main__":
    main()
