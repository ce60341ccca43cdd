"""What the index that is served finds of the exact nearest neighbours: recall@10 of items among people's nearest, by level as apps ask for them, and of people among people.

python -m benchmarks.nearest --lake DIR [--config FILE] [--set serving.milvus_uri=http://HOST:19530] [--people N]

Reads the vectors in the lake, from which the exact neighbours are computed a block at a time, and asks the Milvus that 'kindred serving load' filled. Milvus Lite has an exact index (FLAT)
alone; a server has HNSW, whose recall depends on serving.search_ef and on how few rows a filter lets through.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from conf.arguments import job_parser, parse_job_arguments
from conf.errors import ContractError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.labels import LEVELS
from lake.tables import TableSpec
from lake.vectors import ITEM_VECTORS, USER_VECTORS
from serving import filters
from serving.collections import VECTOR
from serving.config import ServingConfig
from serving.milvus import VectorStore, open_store
from serving.recall import recall
from serving.search import Index
from trainer.evaluation.scores import BEST

QUERIES_AT_ONCE = 128
SAME_SCORE = 1e-5
"""Cosines this near are one: of two items at the same distance either is right."""


def nearest_scores(queries: np.ndarray, candidates: np.ndarray, nearest: int) -> np.ndarray:
    """The `nearest` highest cosines (Q, nearest) of each query (Q, D) with the candidates (N, D), best first."""
    found = [np.zeros((0, nearest), np.float32)]
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        scores = queries[start : start + QUERIES_AT_ONCE] @ candidates.T
        found.append(-np.sort(-np.partition(scores, scores.shape[1] - nearest)[:, scores.shape[1] - nearest :]))
    return np.concatenate(found)


def measured(store: VectorStore, people: pa.Table, items: pa.Table, queries: int) -> Iterator[tuple[str, int, float]]:
    """What was asked, among how many, and the recall@10."""
    index = Index(store)
    asked = vectors_of(people.slice(0, queries))
    everybody = vectors_of(people)
    for level in LEVELS:
        of_level = vectors_of(items.filter(pc.equal(items["level"], level)))
        if len(of_level) >= BEST:
            hits = _scores(store, index.items, asked, BEST, filters.equals("level", level))
            yield f"{level} items nearest to people", len(of_level), recall(nearest_scores(asked, of_level, BEST), hits, SAME_SCORE)
    if len(everybody) > BEST:  # each finds itself first
        yield (
            "people nearest to people",
            len(everybody),
            recall(nearest_scores(asked, everybody, BEST + 1), _scores(store, index.users, asked, BEST + 1), SAME_SCORE),
        )


def _scores(store: VectorStore, name: str, queries: np.ndarray, limit: int, where: str = "") -> list[list[float]]:
    blocks = (queries[start : start + QUERIES_AT_ONCE].tolist() for start in range(0, len(queries), QUERIES_AT_ONCE))
    return [[hit["score"] for hit in hits] for block in blocks for hits in store.search(name, block, limit, where)]


def vectors_of(rows: pa.Table) -> np.ndarray:
    """Vectors (N, D) of rows of a table, at unit length."""
    lists = rows[VECTOR].combine_chunks()
    vectors = lists.flatten().to_numpy().reshape(len(rows), -1) if len(rows) else np.zeros((0, 1), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def read_vectors(lake: LakeConfig, spec: TableSpec, encoder_version: str, columns: Sequence[str]) -> pa.Table:
    """Rows of a table of vectors under one encoder. Raises ContractError where there are none."""
    found = arrow_tables.read(lake, spec, [*columns, VECTOR], ds.field("encoder_version") == encoder_version)
    if not len(found):
        raise ContractError(
            f"{spec.name}: no vectors of encoder {encoder_version}, which Milvus serves; run 'kindred serving embed' and 'kindred serving load'"
        )
    return found


def main() -> None:
    """Print a line for each question."""
    parser = job_parser(__doc__)
    parser.add_argument("--people", type=int, default=1000, help="people whose nearest are looked for (default: 1000)")
    arguments = parse_job_arguments(parser, None)
    lake, config = arguments.section("lake", LakeConfig), arguments.section("serving", ServingConfig)
    with open_store(lake, config) as store:
        version = Index(store).encoder_version
        people, items = (read_vectors(lake, spec, version, columns) for spec, columns in ((USER_VECTORS, ()), (ITEM_VECTORS, ("level",))))
        for words, count, found in measured(store, people, items, arguments.values.people):
            print(f"{words}, among {count:,} ({store.index_type}, ef {config.search_ef}): recall@{BEST} {found:.4f}", flush=True)


if __name__ == "__main__":
    main()
