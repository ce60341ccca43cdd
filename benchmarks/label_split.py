"""Labels as acts that any other recommender can be trained on: those of people to train on, and what held-out people are asked about.

    python -m benchmarks.label_split SPLIT.parquet --level broad --lake DIR [--config FILE]

One row a label of a unit: `person_id`, `history_length` (of whom is asked, the units before the moment; each moment is a user of its own), `item_id`, `place` (order in time) and `part`: train; of split validation and test
'validation given' and 'test given', what lies before the moment; and 'validation' and 'test', what is to be found.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from conf.arguments import job_parser, parse_job_arguments
from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES, Kind, Split
from lake.labels import ITEMS, LEVELS
from trainer.config import TrainerConfig
from trainer.evaluation.baselines import pasts_of
from trainer.evaluation.people import BATCH_ROWS, askable_people, asked_examples, label_items
from trainer.evaluation.questions import Questions, questions_of

SCHEMA = pa.schema([("person_id", pa.string()), ("history_length", pa.int64()), ("item_id", pa.string()), ("place", pa.int64()), ("part", pa.string())])


def main() -> None:
    """Write the split."""
    parser = job_parser(__doc__ or "", "python -m benchmarks.label_split")
    parser.add_argument("split", type=Path, help="Parquet file to write")
    parser.add_argument("--level", choices=LEVELS, default="broad")
    arguments = parse_job_arguments(parser, None)
    lake, config = arguments.section("lake", LakeConfig), arguments.section("trainer", TrainerConfig)
    pq.write_table(label_split(lake, config, arguments.values.level), arguments.values.split)


def label_split(lake: LakeConfig, config: TrainerConfig, level: Kind) -> pa.Table:
    """The rows: of train as popularity and the transition graph learn from them, of the others as an evaluation asks them."""
    versions = {spec.name: version for spec in (EXAMPLES, ITEMS) if (version := arrow_tables.table_version(lake, spec)) is not None}
    version, items = versions[EXAMPLES.name], label_items(lake, versions)
    splits: tuple[Split, ...] = ("validation", "test")
    asked = {part: _questions(lake, config, version, items, part) for part in splits}
    cuts = arrow_tables.read_batches(lake, EXAMPLES, ("cuts",), ds.field("split") == "train", version, BATCH_ROWS)
    training = pasts_of((each for batch in cuts for each in batch["cuts"].to_pylist()), asked["test"])[level]
    item_ids = asked["test"].levels[level].item_ids
    rows = [
        {"person_id": f"train {person}", "history_length": None, "item_id": item_ids[item], "place": place, "part": "train"}
        for person, past in enumerate(training)
        for place, item in enumerate(past)
    ]
    return pa.Table.from_pylist([*rows, *(row for part, questions in asked.items() for row in _asked_rows(questions, level, part))], SCHEMA)


def _questions(lake: LakeConfig, config: TrainerConfig, version: int, items: pa.Table, part: Split) -> Questions:
    people = askable_people(lake, version, part, items, config.evaluation.communities)[: config.evaluation.max_people]
    return questions_of(asked_examples(lake, version, people, [config.query_format]), items, config.evaluation.communities, [config.query_format])


def _asked_rows(questions: Questions, level: Kind, part: Split) -> Iterator[dict[str, Any]]:
    answers = questions.levels[level]
    for query, person in enumerate(questions.person):
        moment = {"person_id": questions.person_ids[person], "history_length": len(questions.histories[query])}
        futures = answers.futures.item[answers.futures.query == query]
        for place, item in enumerate(answers.pasts[query]):
            yield moment | {"item_id": answers.item_ids[item], "place": place, "part": f"{part} given"}
        for place, item in enumerate(dict.fromkeys(futures.tolist()), len(answers.pasts[query])):
            yield moment | {"item_id": answers.item_ids[item], "place": place, "part": part}


if __name__ == "__main__":
    main()
