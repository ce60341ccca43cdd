"""How fast and how right a Milvus server finds the people nearest to a vector, at several shares of people that a filter lets through.

python -m benchmarks.serving --uri http://HOST:19530 [--people N] [--size D] [--queries N] [--index HNSW ...] [--search-ef N ...] [--import-folder DIR]

A collection of made-up people, in clusters as people are, is filled, asked and dropped. Questions come one after the other from one client, as in an app's request; recall@10 is by cosines
of exact search. `python -m tests.milvus_server DIR` starts a server out of the wheel `milvus` and prints its URI.
"""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from lake.config import LakeConfig
from serving.collections import USERS, as_entity
from serving.config import ServingConfig
from serving.imports import import_files
from serving.milvus import VectorStore, open_store
from serving.recall import BEST, SAME_SCORE, recall

SHARES = (1.0, 0.1, 0.01, 0.001)
ROWS_AT_ONCE = 1000
CLUSTERS, SPREAD = 500, 0.7
LAST_AT = datetime(2024, 1, 1, tzinfo=UTC)


def main() -> None:
    """Print what filling took, and a row for each index, candidates and share of people."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", required=True)
    parser.add_argument("--people", type=int, default=200_000)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--index", nargs="+", default=["HNSW"], choices=["HNSW", "FLAT"])
    parser.add_argument("--search-ef", type=int, nargs="+", default=[512])
    parser.add_argument("--import-folder")
    asked = parser.parse_args()
    vectors = made_up_vectors(asked.people, asked.size)
    queries = vectors[np.random.default_rng(1).choice(asked.people, asked.queries, replace=False)]
    for index in asked.index:
        settings = {"milvus_uri": asked.uri, "index_type": index, "timeout_seconds": 3600, "import_folder": asked.import_folder}
        with open_store(LakeConfig(), ServingConfig(**settings)) as store:
            name = f"benchmark_users_{index.lower()}"
            clock, own = time.monotonic(), time.process_time()
            fill(store, name, vectors, asked.import_folder)
            how = "imported" if asked.import_folder else "sent"
            print(
                f"{index}: {asked.people:,} people {how} and searchable in {time.monotonic() - clock:.0f} s; {time.process_time() - own:.0f} CPU s of this process",
                flush=True,
            )
        for ef in asked.search_ef if index == "HNSW" else asked.search_ef[:1]:
            with open_store(LakeConfig(), ServingConfig(**settings, search_ef=ef)) as store:
                for share, found, milliseconds in measured(store, name, vectors, queries):
                    p50, p99 = np.percentile(milliseconds, (50, 99))
                    print(f"{index:<6}{ef:>6}{share:>8.1%}  recall@{BEST} {found:.3f}  p50 {p50:6.1f} ms  p99 {p99:6.1f} ms", flush=True)
        with open_store(LakeConfig(), ServingConfig(**settings)) as store:
            store.drop(name)


def made_up_vectors(people: int, size: int) -> np.ndarray:
    """Vectors (N, D) of unit length around the centres of clusters."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((CLUSTERS, size), np.float32)
    vectors = centres[random.integers(CLUSTERS, size=people)] + SPREAD * random.standard_normal((people, size), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def fill(store: VectorStore, name: str, vectors: np.ndarray, import_folder: str | None) -> None:
    """A collection with all people, searchable; one that a run before left is dropped."""
    if name in store.names():
        store.drop(name)
    store.create(USERS, name, vectors.shape[1])
    batches = ([as_entity(USERS, row) for row in rows] for rows in people_of(vectors))
    if import_folder is None:
        for batch in batches:
            store.insert(name, batch)
    else:
        with import_files(LakeConfig(), import_folder, USERS, name) as files:
            for batch in batches:
                files.write(batch)
            files.close()
            store.bulk_import(name, files.names, len(vectors), 120)
    store.seal(name, 120)


def people_of(vectors: np.ndarray) -> Iterator[list[dict[str, object]]]:
    """Rows of `user_vectors`, ROWS_AT_ONCE; `unit_count` is a number that a filter parts people by, in any share."""
    order = np.random.default_rng(2).permutation(len(vectors)).tolist()
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        yield [
            {
                "person_id": f"p{number}", "encoder_version": "benchmark", "user_ids": [f"p{number}"], "unit_count": order[number], "last_at": LAST_AT, "platforms": ["reddit"],
                "communities": [f"place {(number + place) % 997}" for place in range(10)], "vector": vectors[number].tolist(),
            }
            for number in range(start, min(start + ROWS_AT_ONCE, len(vectors)))
        ]  # fmt: skip


def measured(store: VectorStore, name: str, vectors: np.ndarray, queries: np.ndarray) -> Iterator[tuple[float, float, list[float]]]:
    """Share of people, recall@10, and the milliseconds of each question."""
    order = np.random.default_rng(2).permutation(len(vectors))
    for share in SHARES:
        least = int(len(vectors) * (1 - share))
        let_through = vectors[order >= least]
        exact = np.stack([-np.sort(-(let_through @ query))[:BEST] for query in queries])
        where = f"unit_count >= {least}" if share < 1 else ""
        store.search(name, [queries[0].tolist()], BEST, where, ["person_id"], just_filled=True)
        hits, milliseconds = [], []
        for query in queries:
            clock = time.perf_counter()
            (found,) = store.search(name, [query.tolist()], BEST, where, ["person_id"])
            milliseconds.append(1000 * (time.perf_counter() - clock))
            hits.append([hit["score"] for hit in found])
        yield share, recall(exact, hits, SAME_SCORE), milliseconds


if __name__ == "__main__":
    main()
