"""What other recommenders say of items, labels or an app's own, out of files: they are judged by the metrics that everybody is judged by (edge).

A file is Parquet with `person_id` and `item_id`, as in `examples` and `items`, and `score`, higher is better; items that it does not rank stand below all that it does. Where people are asked at several moments,
as about labels, `history_length` says of which a row is: how many units of the history lie before it, as a cut of `examples` has it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from conf.errors import ConfigError
from lake.encoder import file_hash
from lake.examples import Kind
from trainer.evaluation.catalogue import AppItems
from trainer.evaluation.questions import Questions
from trainer.evaluation.scores import Scorer

logger = logging.getLogger(__name__)
COLUMNS = ["person_id", "item_id", "score"]
MOMENT = "history_length"
TYPES = {"person_id": pa.string(), "item_id": pa.string(), "score": pa.float64(), MOMENT: pa.int64()}
"""What columns are read as, whatever library wrote them."""
Moment = tuple[str, int | None]
Rankings = Callable[[Questions, Kind], Iterator[tuple[str, Scorer]]]
"""Rows of the table of a level of some questions: name, and scores."""


def no_rankings(questions: Questions, level: Kind) -> Iterator[tuple[str, Scorer]]:
    """No other recommender says anything."""
    return iter(())


def ranking_hashes(files: Mapping[str, str]) -> dict[str, str]:
    """Hash of each file by name, by which an evaluation knows that it read another. Raises ConfigError where one is absent."""
    for name, file in files.items():
        if not Path(file).is_file():
            raise ConfigError(f"trainer.evaluation.rankings: {name!r} is to be read from {file}, and there is no such file")
    return {name: file_hash(Path(file)).hex() for name, file in files.items()}


def rankings_of(files: Mapping[str, str], apps: AppItems) -> Rankings:
    """What the files say of the items of any questions at a level: name and scores of each that ranks some of them (of an app's own items: of each).

    Raises ConfigError for a file without the columns, and for one that does not say of which moment it is where somebody is asked at several.
    """

    def rows(questions: Questions, level: Kind) -> Iterator[tuple[str, Scorer]]:
        answers = questions.levels[level]
        number = apps.number if level == "catalogue" else {item_id: place for place, item_id in enumerate(answers.item_ids)}
        for name, file in files.items():
            table = _read(name, file)
            if level == "catalogue" or pc.any(pc.is_in(table["item_id"], pa.array(list(number), pa.string()))).as_py():
                yield name, _ranked(name, table, questions, number, len(answers.texts))

    return rows


def _read(name: str, file: str) -> pa.Table:
    try:
        columns = pq.read_schema(file).names
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"trainer.evaluation.rankings: {name!r}: {file} is no Parquet file ({error})") from None
    if absent := [column for column in COLUMNS if column not in columns]:
        raise ConfigError(f"trainer.evaluation.rankings: {name!r} has no column {absent[0]!r}; expected {', '.join(COLUMNS)}")
    table = pq.read_table(file, columns=[*COLUMNS, *({MOMENT} & set(columns))])
    try:
        return pa.table({column: table[column].cast(TYPES[column]) for column in table.column_names})
    except pa.ArrowException as error:
        raise ConfigError(f"trainer.evaluation.rankings: {name!r}: ids must be texts, {MOMENT} whole numbers and score numbers ({error})") from None


def _ranked(name: str, table: pa.Table, questions: Questions, number: Mapping[str, int], items: int) -> Scorer:
    asked = _queries(name, table, questions)
    query = np.array([asked.get(each, -1) for each in _moments(table)], np.int64)
    item = np.array([number.get(each, -1) for each in table["item_id"].to_pylist()], np.int64)
    known = np.flatnonzero((query >= 0) & (item >= 0))
    order = known[np.argsort(query[known], kind="stable")]
    query, item, score = query[order], item[order], table["score"].to_numpy()[order].astype(np.float32)
    if not np.isfinite(score).all():
        raise ConfigError(f"trainer.evaluation.rankings: {name!r} has scores that are no numbers")
    first = np.searchsorted(query, np.arange(len(questions.person) + 1))
    if unranked := int((np.diff(first) == 0).sum()):
        logger.warning("ranking %r: nothing at %d of %d moments asked about; all items are alike there", name, unranked, len(questions.person))

    def scores(block: slice) -> np.ndarray:
        found = np.full((block.stop - block.start, items), np.finfo(np.float32).min, np.float32)
        for row, place in zip(found, range(block.start, block.stop), strict=True):
            of_query = slice(first[place], first[place + 1])
            row[item[of_query]] = score[of_query]
        return found

    return scores


def _moments(table: pa.Table) -> Iterable[Moment]:
    lengths = table[MOMENT].to_pylist() if MOMENT in table.column_names else [None] * table.num_rows
    return zip(table["person_id"].to_pylist(), lengths, strict=True)


def _queries(name: str, table: pa.Table, questions: Questions) -> dict[Moment, int]:
    """Place of each query by its moment, as the file tells moments."""
    if MOMENT in table.column_names:
        return {(questions.person_ids[person], len(questions.histories[query])): query for query, person in enumerate(questions.person)}
    if len(questions.person) > questions.people:
        raise ConfigError(
            f"trainer.evaluation.rankings: people are asked at several moments here, and {name!r} does not say of which it is; add a column {MOMENT} (units before it), or hold acts out "
            "(trainer.examples.held_out_acts)"
        )
    return {(questions.person_ids[person], None): query for query, person in enumerate(questions.person)}
