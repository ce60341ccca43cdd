"""What other recommenders say of an app's own items, out of files: they are judged by the metrics that everybody is judged by (edge).

A file is Parquet with `person_id` and `item_id`, as in `examples` and `items`, and `score`, higher is better; items that it does not rank for a person stand below all that it does.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from conf.errors import ConfigError
from lake.encoder import file_hash
from trainer.evaluation.catalogue import AppItems
from trainer.evaluation.questions import Questions
from trainer.evaluation.scores import Scorer

logger = logging.getLogger(__name__)
COLUMNS = ["person_id", "item_id", "score"]


def ranking_hashes(files: Mapping[str, str]) -> dict[str, str]:
    """Hash of each file by name, by which an evaluation knows that it read another. Raises ConfigError where one is absent."""
    for name, file in files.items():
        if not Path(file).is_file():
            raise ConfigError(f"trainer.evaluation.rankings: {name!r} is to be read from {file}, and there is no such file")
    return {name: file_hash(Path(file)).hex() for name, file in files.items()}


def ranking_rows(files: Mapping[str, str], questions: Questions, items: AppItems) -> Iterator[tuple[str, Scorer]]:
    """Name and scores of each file. Raises ConfigError for a file without the columns, and where somebody is asked at several moments: a ranking has none."""
    if files and len(questions.person) > questions.people:
        raise ConfigError(
            "trainer.evaluation.rankings: people are asked at several moments here, and a ranking is of one; hold acts out (trainer.examples.held_out_acts)"
        )
    for name, file in files.items():
        yield name, _ranked(name, _read(name, file), questions, items)


def _read(name: str, file: str) -> pa.Table:
    try:
        columns = pq.read_schema(file).names
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"trainer.evaluation.rankings: {name!r}: {file} is no Parquet file ({error})") from None
    if absent := [column for column in COLUMNS if column not in columns]:
        raise ConfigError(f"trainer.evaluation.rankings: {name!r} has no column {absent[0]!r}; expected {', '.join(COLUMNS)}")
    return pq.read_table(file, columns=COLUMNS)


def _ranked(name: str, table: pa.Table, questions: Questions, items: AppItems) -> Scorer:
    people = {person_id: number for number, person_id in enumerate(questions.person_ids)}
    person = np.array([people.get(each, -1) for each in table["person_id"].to_pylist()], np.int64)
    item = np.array([items.number.get(each, -1) for each in table["item_id"].to_pylist()], np.int64)
    known = np.flatnonzero((person >= 0) & (item >= 0))
    order = known[np.argsort(person[known], kind="stable")]
    person, item, score = person[order], item[order], table["score"].to_numpy()[order].astype(np.float32)
    if not np.isfinite(score).all():
        raise ConfigError(f"trainer.evaluation.rankings: {name!r} has scores that are no numbers")
    first = np.searchsorted(person, np.arange(questions.people + 1))
    if unranked := int((np.diff(first) == 0).sum()):
        logger.warning("ranking %r: nothing of %d of %d people asked; all items are alike to them there", name, unranked, questions.people)

    def scores(block: slice) -> np.ndarray:
        found = np.full((block.stop - block.start, len(items.texts)), np.finfo(np.float32).min, np.float32)
        for row, asker in zip(found, questions.person[block], strict=True):
            of_person = slice(first[asker], first[asker + 1])
            row[item[of_person]] = score[of_person]
        return found

    return scores
