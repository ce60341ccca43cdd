"""Negatives by nearness: three queries by hand, and a slow formula for many."""

import numpy as np
import pytest

from lake.examples import KINDS
from trainer.training.masks import MASKED, NEGATIVE, POSITIVE, Numbers, Pairs, Relation
from trainer.training.negatives import MICROSECONDS_A_DAY, negatives_by_nearness

DAY = MICROSECONDS_A_DAY
START = 1_600_000_000_000_000
"""A time, as microseconds since 1970."""


def sparse(dense: object) -> Relation:
    dense = np.array(dense)
    return Relation(dense.shape, Pairs(*np.nonzero(dense == POSITIVE)), Pairs(*np.nonzero(dense == MASKED)))


def counted(
    relation: object, communities: list[int], days: list[float], kinds: list[int] | None = None, within: float = 45, **settings: int
) -> dict[str, float]:
    found = sparse(relation)
    times = START + np.array([round(each * DAY) for each in days], np.int64)
    of_kind = np.zeros(found.shape[1], np.int64) if kinds is None else np.array(kinds, np.int64)
    return negatives_by_nearness(found, of_kind, np.array(communities, np.int64), times, within, **settings)


OWN_ONLY = (np.eye(4, dtype=np.int64) * POSITIVE).tolist()


def test_each_negative_is_counted_by_its_owner_and_the_query() -> None:
    """The first two share community and time, the third their community alone, the fourth the time of the first two alone."""
    found = counted(OWN_ONLY, [7, 7, 7, 8], [0, 10, 300, 5])
    assert found == {
        "negatives_unowned": 0,
        "negatives_strangers": 2,
        "negatives_era": 4,
        "negatives_place": 4,
        "negatives_near": 2,
        "masked_share": 0,
        "positives_per_query": 1,
    }


def test_so_many_days_are_near_and_a_moment_more_is_not() -> None:
    assert counted(OWN_ONLY[:2], [7, 7], [0, 45])["negatives_near"] == 2
    assert counted(OWN_ONLY[:2], [7, 7], [0, 45 + 1e-9])["negatives_place"] == 2


def test_an_answer_of_several_owners_counts_by_the_nearest_and_near_is_one_person_who_is_both() -> None:
    """The last answer: for the first query, of one owner in its community and one of its time; for the second, of a near one too."""
    of_two = counted([[POSITIVE, NEGATIVE], [NEGATIVE, POSITIVE], [NEGATIVE, POSITIVE]], [7, 7, 8], [0, 300, 5])
    assert (of_two["negatives_place"], of_two["negatives_near"]) == (2, 0)
    of_three = counted([[POSITIVE, NEGATIVE], [NEGATIVE, POSITIVE], [NEGATIVE, POSITIVE], [NEGATIVE, POSITIVE]], [7, 7, 8, 7], [0, 300, 5, 3])
    assert of_three["negatives_near"] == 2


def test_what_nobody_owns_is_a_hard_negative_and_masked_answers_are_none() -> None:
    found = counted([[POSITIVE, NEGATIVE, MASKED], [POSITIVE, NEGATIVE, NEGATIVE]], [7, 8], [0, 400])
    assert found["negatives_unowned"] == 3
    assert found["masked_share"] == pytest.approx(1 / 6)


def test_an_answer_of_a_kind_that_a_query_has_no_positive_of_is_not_counted() -> None:
    specific, broad = KINDS.index("specific"), KINDS.index("broad")
    found = counted([[POSITIVE, NEGATIVE, MASKED], [NEGATIVE, POSITIVE, MASKED]], [7, 8], [0, 400], kinds=[specific, broad, broad])
    assert sum(found[name] for name in found if name.startswith("negatives")) == 0
    assert found["masked_share"] == pytest.approx(1 / 3)


def test_a_step_of_nobody_has_no_negatives() -> None:
    assert set(counted(np.zeros((0, 0)), [], []).values()) == {0}
    assert counted(np.zeros((2, 0)), [1, 1], [0, 0])["positives_per_query"] == 0


def random_step(seed: int, queries: int) -> tuple[np.ndarray, Numbers, Numbers, Numbers]:
    generator = np.random.default_rng(seed)
    dense = generator.choice([POSITIVE, NEGATIVE, MASKED], (queries, 40), p=[0.05, 0.85, 0.1])
    communities = generator.integers(-(2**62), 2**62, 4)[generator.integers(0, 4, queries)]
    return dense, generator.integers(0, len(KINDS), 40), communities, START + generator.integers(0, 200, queries) * DAY


def slow(dense: np.ndarray, kinds: Numbers, communities: Numbers, times: Numbers, days: float) -> dict[str, float]:
    counts = dict.fromkeys(("unowned", "strangers", "era", "place", "near"), 0)
    for query in range(len(dense)):
        asked = {kinds[answer] for answer in range(dense.shape[1]) if dense[query, answer] == POSITIVE}
        for answer in range(dense.shape[1]):
            if dense[query, answer] != NEGATIVE or kinds[answer] not in asked:
                continue
            owners = [owner for owner in range(len(dense)) if dense[owner, answer] == POSITIVE]
            same = [(communities[owner] == communities[query], abs(int(times[owner]) - int(times[query])) <= days * DAY) for owner in owners]
            if (True, True) in same:
                counts["near"] += 1
            elif (True, False) in same:
                counts["place"] += 1
            elif (False, True) in same:
                counts["era"] += 1
            else:
                counts["strangers" if owners else "unowned"] += 1
    return {f"negatives_{name}": count for name, count in counts.items()}


@pytest.mark.parametrize("seed", range(3))
def test_many_random_steps_agree_with_a_slow_formula(seed: int) -> None:
    dense, *rest = random_step(seed, 30)
    found = negatives_by_nearness(sparse(dense), *rest, 20)
    expected = slow(dense, *rest, 20)
    assert min(expected[name] for name in expected if name != "negatives_unowned") > 0
    assert {name: found[name] for name in expected} == expected


def test_of_many_queries_a_seeded_sample_is_counted_and_scaled_to_all() -> None:
    dense, *rest = random_step(9, 3000)
    exact = negatives_by_nearness(sparse(dense), *rest, 20, max_queries=3000)
    one, again, other = (negatives_by_nearness(sparse(dense), *rest, 20, max_queries=400, seed=seed) for seed in (1, 1, 2))
    assert one == again != other
    for name in ("masked_share", "positives_per_query"):
        assert one[name] == exact[name]
    for name in ("negatives_era", "negatives_place", "negatives_near"):
        assert one[name] == pytest.approx(exact[name], rel=0.1), name
        assert one[name] != exact[name] or exact[name] == 0
