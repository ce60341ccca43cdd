"""Who is alike: do people whose pasts are alike go on to do alike things? Likeness of people was never trained for.

**One moment for all.** Everybody's history is cut at the same time: the time split of `examples`, as the cuts tell it. At cuts of their own, one person's past would reach into another's
future, so that having been there at the same time would look like being alike, and an encoder might have been trained on what others did after the cut. Who has too few
units on either side of that moment is left out, and counted.

**Overlap of futures** is the cosine of log(1 + units) by community, and by the teacher's broad label. Jaccard's index would count a place visited once like a home, and grow and shrink with
how much somebody does; the cosine of plain counts would be that of each person's busiest place.

**Activity** is held fixed by partial correlation: log(1 + units) of the two pasts and of the two futures (of labels: labelled units), their sum over the two people and their product. People who do much
are in many places and have long texts, and so would be alike for nothing that they care for.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sklearn.preprocessing import normalize

from lake.encoder import Encoder
from lake.rendering import is_readable
from trainer.config import EvaluationConfig
from trainer.evaluation.halves import History, Person, community_counts
from trainer.evaluation.history_vectors import HistoryVectors, ReadHistories, community_matrix, dot, read_histories
from trainer.evaluation.numbers import DIFFERENCE
from trainer.evaluation.rank_correlation import Correlation, pairs_estimate, pairs_of, rank_correlation, ranked
from trainer.evaluation.user_user import Likeness, UserUserScore

NO_SPLIT = "no cut reaches beyond the time split, so that it is unknown"


@dataclass(frozen=True)
class Future:
    """What a person did from the common moment on, and in how many units before it."""

    past_units: int
    communities: Counter[str]
    labels: Counter[str]


def time_split(examples: Iterable[Mapping[str, Any]]) -> datetime | None:
    """The first moment that is known not to lie before the time split of `examples`, UTC; None where no cut reaches so far.

    Out of `history` and `cuts`: a cut belongs to the future period where the last of its answers does.
    """
    return min((_last_answer(example, cut) for example in examples for cut in example["cuts"] if cut["period"] == "future"), default=None)


def _last_answer(example: Mapping[str, Any], cut: Mapping[str, Any]) -> datetime:
    history = example["history"]
    labelled = {positive["unit_id"] for positive in cut["positives"] if positive["where"] == "after"}
    times = [unit["created_at"] for unit in history if unit["unit_id"] in labelled]
    return max(times + [history[place]["created_at"] for place in (*cut["entered"], *(cut["acted_on"] or ()))])


def who_is_alike(
    people: Iterable[Person], at: datetime | None, tuned: Encoder, base: Encoder, config: EvaluationConfig, known: HistoryVectors | None = None
) -> Likeness:  # fmt: skip
    """What pairs of the people who are asked say, of all pairs of them; memory grows with the square of `max_alike_people`. Vectors of pasts that are `known` are not made again."""
    left_out: Counter[str] = Counter()
    futures: dict[str, Future] = {}
    read = read_histories(_pasts_to_read(people, at, tuned, config, left_out, futures), tuned, base, known=known)
    in_order = np.argsort(np.array(read.keys, str), kind="stable")
    after = [futures[read.keys[number]] for number in in_order]
    likeness = _likeness(read, in_order)
    labelled = np.array([number for number, future in enumerate(after) if future.labels], np.int64)
    placed = np.array([number for number, future in enumerate(after) if future.communities], np.int64)
    return Likeness(
        at=at, people=len(after), pairs=len(after) * (len(after) - 1) // 2, labelled_people=len(labelled), left_out=dict(+left_out),
        scores=[
            *_scores("communities", likeness, placed, [after[number].communities for number in placed], [after[number] for number in placed], config),
            *_scores("labels", likeness, labelled, [after[number].labels for number in labelled], [after[number] for number in labelled], config),
        ] if len(after) > 1 else [],
    )  # fmt: skip


def _pasts_to_read(
    people: Iterable[Person], at: datetime | None, encoder: Encoder, config: EvaluationConfig, left_out: Counter[str], futures: dict[str, Future]
) -> Iterator[tuple[str, History]]:  # fmt: skip
    """The past of each person asked who has one, and a future, which is put into `futures`; of the others the reasons are counted in `left_out`."""
    for person in people:
        if not person.is_asked:
            continue
        past = [unit for unit in person.history if at is not None and unit["created_at"] < at]
        after = person.history[len(past) :]
        if at is None:
            left_out[NO_SPLIT] += 1
        elif min(len(past), len(after)) < config.min_half_units:
            left_out[f"fewer than {config.min_half_units} units before or after that moment"] += 1
        elif not is_readable(past, encoder.card.query_format):
            left_out["no label to read before that moment"] += 1
        else:
            labels = Counter(person.labels[unit["unit_id"]] for unit in after if unit["unit_id"] in person.labels)
            futures[person.person_id] = Future(len(past), community_counts(after), labels)
            yield person.person_id, past


def _likeness(read: ReadHistories[str], in_order: np.ndarray) -> dict[str, np.ndarray]:
    """Likeness (P, P) of all pasts by each row."""
    if not len(in_order):
        return {}
    return {name: dot(vectors[in_order], vectors[in_order]) for name, vectors in read.rows(in_order).items()}


def _scores(
    kind: str, likeness: Mapping[str, np.ndarray], asked: np.ndarray, done: Sequence[Counter[str]], futures: Sequence[Future], config: EvaluationConfig
) -> Iterator[UserUserScore]:  # fmt: skip
    """Scores of the people asked (indexes), by what they have `done` in their futures, overlap of which is the outcome."""
    outcome = ranked(pairs_of(overlap(done)))
    controls = [ranked(pairs_of(each)) for each in activity_of_pairs(futures, done)]
    rows = {name: ranked(pairs_of(values[np.ix_(asked, asked)])) for name, values in likeness.items()}
    for metric, held in ((f"spearman_{kind}", ()), (f"partial_spearman_{kind}", controls)):
        found = {name: rank_correlation(row, outcome, held) for name, row in rows.items()}
        found[DIFFERENCE] = Correlation(found["tuned"].value - found["base"].value, found["tuned"].influence - found["base"].influence)
        for name, correlation in found.items():
            mean = pairs_estimate(correlation, len(asked), config.interval, largest=2 if name == DIFFERENCE else 1)
            yield UserUserScore(metric=metric, scorer=name, mean=mean.mean, low=mean.low, high=mean.high, people=len(asked))


def overlap(done: Sequence[Counter[str]]) -> np.ndarray:
    """Cosine (P, P) of log(1 + count) of what each person did."""
    if not done:
        return np.zeros((0, 0))
    damped = normalize(community_matrix(done).log1p())
    return dot(damped, damped)


def activity_of_pairs(futures: Sequence[Future], done: Sequence[Counter[str]]) -> list[np.ndarray]:
    """Sum and product (P, P) over two people of log(1 + units), before the moment, and of what counts after it."""
    counts = (np.array([future.past_units for future in futures], float), np.array([each.total() for each in done], float))
    return [both(logs, logs) for logs in map(np.log1p, counts) for both in (np.add.outer, np.multiply.outer)]
