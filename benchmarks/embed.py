"""What vectors cost: making them beside `SentenceTransformer.encode` on the same texts, and writing them while their table grows.

OMP_NUM_THREADS=1 python -m benchmarks.embed encode [--base-model NAME] [--max-tokens N] [--texts N] [--rounds N] [--tokens-at-once N ...] [--lengths NAME ...]
OMP_NUM_THREADS=1 python -m benchmarks.embed write [--people N] [--buckets N] [--size D] [--folder DIR]

Both tell CPU seconds of this process, of which other work on the machine takes little: the two encoders in turns within one run, their texts in the same order.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.dataset as ds

from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import Encoder, EncoderCard, load_model
from lake.models import model_path
from lake.rendering import RENDERING_VERSION
from lake.token_batches import computed_tokens, token_batches
from lake.vectors import USER_VECTORS
from serving.vector_tables import Row, VectorBucket, commit

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

WORDS = ["bread", "garden", "telescope", "starter", "qualifying", "roses", "nebula", "worms", "lettuce", "sprint", "dough", "moon"]
SKEWS = {"few are long": (0.1, 1.0), "half are full": (0.7, 1.0), "alike": (0.5, 0.1)}
"""How long texts are: their median in words, as a share of the most tokens, and the spread of the logarithm; longer ones are cut."""
BATCH_SIZES = (32, 16)
"""Of `SentenceTransformer.encode`: its default, and what served here before."""
LAST_AT = datetime(2024, 1, 1, tzinfo=UTC)
CHANGED_SHARE = 0.01


def main() -> None:
    """Print a table of one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    encode = commands.add_parser("encode")
    encode.add_argument("--base-model", default="all-MiniLM-L6-v2")
    encode.add_argument("--max-tokens", type=int, default=512)
    encode.add_argument("--texts", type=int, default=300)
    encode.add_argument("--rounds", type=int, default=3)
    encode.add_argument("--tokens-at-once", type=int, nargs="*", default=[])
    encode.add_argument("--lengths", nargs="+", choices=SKEWS, default=[*SKEWS])
    encode.set_defaults(run=lambda asked: print_encoding(asked.base_model, asked.max_tokens, asked.texts, asked.rounds, asked.tokens_at_once, asked.lengths))
    write = commands.add_parser("write")
    write.add_argument("--people", type=int, default=200_000)
    write.add_argument("--buckets", type=int, default=40)
    write.add_argument("--size", type=int, default=384)
    write.add_argument("--folder")
    write.set_defaults(run=lambda asked: print_writing(asked.people, asked.buckets, asked.size, asked.folder))
    asked = parser.parse_args()
    asked.run(asked)


def print_encoding(base_model: str, max_tokens: int, count: int, rounds: int, tokens_at_once: Sequence[int], skews: Sequence[str]) -> None:
    """A row for each skew of lengths and way: people a CPU second, tokens that are padding, and the ratio to the default of the library."""
    model = load_model(model_path(base_model), "cpu")
    card = EncoderCard(base_model=base_model, rendering_version=RENDERING_VERSION, max_tokens=max_tokens)
    encoders = [Encoder(model, card, "benchmark", tokens) for tokens in (tokens_at_once or (None,))]
    print(f"{'lengths':<15}{'tokens':>10}  {'way':<22}{'padding':>9}{'texts/CPU s':>13}{'ratio':>7}")
    for name in skews:
        texts = list(skewed_texts(count, max_tokens, *SKEWS[name], np.random.default_rng(0)))
        real = np.minimum(encoders[0].token_counts(texts), max_tokens).sum()
        ways = dict(ways_of(model, encoders, texts))
        check_same([run() for run, _ in ways.values()])
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for way in [*ways] * rounds:
            seconds[way].append(cpu_seconds(ways[way][0]))
        costs = {way: float(np.median(found)) for way, found in seconds.items()}
        for way, (_, computed) in ways.items():
            ratio = costs[next(iter(ways))] / costs[way]
            print(f"{name:<15}{real:>10,}  {way:<22}{1 - real / computed:>9.1%}{count / costs[way]:>13.1f}{ratio:>7.2f}", flush=True)


def ways_of(model: "SentenceTransformer", encoders: Sequence[Encoder], texts: list[str]) -> Iterator[tuple[str, tuple[Callable[[], np.ndarray], int]]]:
    """Ways to make vectors of texts by name, the library's default first: the call, and the tokens that it computes."""
    lengths = np.minimum(encoders[0].token_counts(texts), encoders[0].card.max_tokens)
    for size in BATCH_SIZES:
        yield f"library, batches of {size}", (partial(model.encode, texts, batch_size=size, normalize_embeddings=True), library_tokens(texts, lengths, size))
    for encoder in encoders:
        groups = token_batches(dict(enumerate(lengths.tolist())), encoder.tokens_at_once)
        computed = sum(computed_tokens([int(lengths[row]) for row in rows]) for rows in groups)
        yield f"ours, {encoder.tokens_at_once} tokens", (partial(encoder.encode_texts, texts, "query"), computed)


def skewed_texts(count: int, max_tokens: int, median_share: float, spread: float, generator: np.random.Generator) -> Iterator[str]:
    """Texts whose lengths are lognormal."""
    for words in np.exp(np.log(max_tokens * median_share) + spread * generator.standard_normal(count)).clip(4, 2 * max_tokens).astype(int):
        yield " ".join(generator.choice(WORDS, words))


def library_tokens(texts: Sequence[str], lengths: np.ndarray, batch_size: int) -> int:
    """Tokens that the library computes: sorted by characters, a batch padded to its longest."""
    order = np.argsort([-len(text) for text in texts])
    return sum(computed_tokens(lengths[order[start : start + batch_size]].tolist()) for start in range(0, len(texts), batch_size))


def check_same(found: Sequence[np.ndarray]) -> None:
    """Raise AssertionError where the ways do not give the same vectors."""
    for vectors in found:
        assert np.abs(vectors - found[0]).max() < 1e-5


def cpu_seconds(run: Callable[[], Any]) -> float:
    """CPU seconds of this process."""
    clock = time.process_time()
    run()
    return time.process_time() - clock


def print_writing(people: int, buckets: int, size: int, folder: str | None) -> None:
    """A row for each tenth of a table's buckets: CPU seconds a thousand rows when they are first written, seen again unchanged, and written again since a few changed."""
    lake = LakeConfig(path=folder or tempfile.mkdtemp(prefix="kindred-embed-"))
    arrow_tables.create_table(lake, USER_VECTORS)
    in_bucket, tenth = people // buckets, max(1, buckets // 10)
    print(f"{'people before':>14}{'first':>9}{'unchanged':>11}{'1 % changed':>13}   CPU s a thousand rows; peak MiB")
    costs = np.array([[cost_of_bucket(lake, bucket, in_bucket, size, changed) for bucket in range(buckets)] for changed in (0, 0, CHANGED_SHARE)])
    for start in range(0, buckets, tenth):
        first, unchanged, changed = costs[:, start : start + tenth].mean(axis=1) / in_bucket * 1000
        print(f"{start * in_bucket:>14,}{first:>9.3f}{unchanged:>11.3f}{changed:>13.3f}", flush=True)
    print(f"{'all':>14}{'':>9}{'':>11}{'':>13}   {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")


def cost_of_bucket(lake: LakeConfig, bucket: int, people: int, size: int, changed_share: float) -> float:
    """CPU seconds of bringing a bucket up to date in which a share of the people changed; making their vectors aside."""
    rows = [made_up(bucket, number, number < changed_share * people) for number in range(people)]
    vectors = np.random.default_rng(bucket).standard_normal((people, size)).astype(np.float32)

    def replace() -> None:
        with VectorBucket(lake, USER_VECTORS, "benchmark", bucket, lambda rows, _: vectors[: len(rows)], ("history_hash",)) as made:
            made.begin(ds.scalar(True))
            made.put(rows, [""] * people)
            commit(lake, USER_VECTORS, made.finish())

    return cpu_seconds(replace)


def made_up(bucket: int, number: int, is_changed: bool) -> Row:
    """What a row says of a person."""
    person_id = f"{number:08x}{bucket:08x}" + "0" * 48
    return {
        "person_id": person_id, "platforms": ["reddit"], "communities": [f"place {(number + place) % 997}" for place in range(10)], "unit_count": number,
        "encoded_units": 100, "user_ids": [person_id], "last_at": LAST_AT, "history_hash": f"{number:063x}{int(is_changed)}",
    }  # fmt: skip


if __name__ == "__main__":
    main()
