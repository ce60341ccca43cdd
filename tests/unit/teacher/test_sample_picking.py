"""What a sample takes: people by strata, units in windows, one of each content, and of a larger budget all that a smaller one takes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teacher.config import SampleConfig
from teacher.sample.picking import (
    Budget,
    LanguageCounts,
    Pool,
    Strata,
    Windows,
    candidates_of,
    combinations,
    eligible_units,
    people_of,
    sample_table,
    window_places,
    within_budget,
)  # fmt: skip
from trainer.config import ExamplesConfig

WINDOWS = Windows(history_units=512, past_units=5, min_units=3, window_units=5, units_per_person=20)
NO_LANGUAGES = LanguageCounts().main()
START = datetime(2020, 1, 1, tzinfo=UTC)


def unit(person: str, number: int, content: str | None = None, community: str | None = "a", platform: str = "reddit") -> dict[str, Any]:
    return {
        "person_id": person, "content": content or f"{person}-{number}", "unit_id": f"{person}-{number:04}", "created_at": START + timedelta(days=number),
        "platform": platform, "thread_id": None, "community": community,
    }  # fmt: skip


SCHEMA = pa.schema([
    *((name, pa.string()) for name in ("person_id", "content", "unit_id")), ("created_at", pa.timestamp("us", "UTC")),
    *((name, pa.string()) for name in ("platform", "thread_id", "community")),
])  # fmt: skip


def table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def crowd(people: int, units: int = 12, community: str = "a", name: str = "p") -> list[dict[str, Any]]:
    return [unit(f"{name}{person}", number, community=community) for person in range(people) for number in range(units)]


def chosen(buckets: Sequence[pa.Table], contents: int, per_community: int = 1000, balance: float = 0.5, windows: Windows = WINDOWS) -> pa.Table:
    """What is picked of these, as the job does it."""
    eligible = [eligible_units(bucket, windows) for bucket in buckets]
    people: Counter[tuple[str | None, ...]] = Counter()
    for units in eligible:
        people += combinations(people_of(units, NO_LANGUAGES))
    strata, pool = Strata(people), Pool(Budget(contents, per_community))
    for units in eligible:
        pool.add(candidates_of(units, people_of(units, NO_LANGUAGES), strata, balance, windows, pool.limit))
    return pool.chosen()


def contents(found: pa.Table) -> list[str]:
    return found["content"].to_pylist()


def test_only_units_that_a_cut_can_ask_for_are_taken() -> None:
    units = table([*(unit("long", number) for number in reversed(range(600))), *(unit("short", number) for number in range(7))])
    found = eligible_units(units, WINDOWS)
    assert set(found["person_id"].to_pylist()) == {"long"}
    assert found["unit_id"].to_pylist() == [f"long-{number:04}" for number in range(600 - 512 + 5, 600)]
    assert set(found["history"].to_pylist()) == {600}
    assert eligible_units(table([unit("just enough", number) for number in range(8)]), WINDOWS).num_rows == 3


def test_these_limits_are_those_of_the_trainer() -> None:
    sample, examples = SampleConfig(), ExamplesConfig()
    assert (sample.history_units, sample.past_units, sample.min_units) == (examples.max_history_units, examples.min_past_units, examples.min_future_labels)


def test_windows_begin_at_the_smallest_hashes_and_hold_successive_units() -> None:
    windows = WINDOWS._replace(window_units=2, units_per_person=5)
    fractions = [0.9, 0.3, 0.8, 0.7, 0.1, 0.6]
    assert window_places(fractions, windows) == [4, 5, 1, 2, 3]
    assert window_places(fractions[:1], windows) == [0]
    assert window_places([], windows) == []


@given(st.lists(st.floats(0, 1), max_size=40), st.integers(1, 6), st.integers(1, 30))
def test_more_of_a_person_holds_less_of_the_person(fractions: list[float], window: int, units: int) -> None:
    less, more = (window_places(fractions, WINDOWS._replace(window_units=window, units_per_person=cap)) for cap in (units, units + 3))
    assert more[: len(less)] == less
    assert len(less) == min(units, len(fractions))
    assert len(set(more)) == len(more)


def test_a_person_is_known_by_what_most_units_have() -> None:
    rows = [unit("ann", number, community="b" if number % 3 else "a") for number in range(20)]
    rows += [unit("bob", number, community=None, platform="hackernews") for number in range(70)]
    (ann, bob) = people_of(eligible_units(table(rows), WINDOWS), NO_LANGUAGES).to_pylist()
    assert ann == {"person_id": "ann", "platform": "reddit", "language": "unknown", "year": "2020", "length": "16-63", "community": "b"}
    assert bob == {"person_id": "bob", "platform": "hackernews", "language": "unknown", "year": "2020", "length": "64-255", "community": None}


def test_languages_are_counted_over_all_partitions_by_their_first_subtag() -> None:
    counts = LanguageCounts()
    for part in ([("ann", "de"), ("ann", "en-US"), ("bob", None)], [("ann", "EN"), ("cat", "fr"), ("cat", "es"), ("bob", "made up"), ("bob", "")]):
        counts.add(pa.table({"person_id": [person for person, _ in part], "language": pa.array([language for _, language in part], pa.string())}))
    assert counts.main().of(["zoe", "ann", "bob", "cat"]) == ["unknown", "en", "unknown", "es"]
    assert NO_LANGUAGES.of(["ann"]) == ["unknown"]


def test_a_stratum_is_named_by_how_many_people_a_community_has() -> None:
    strata = Strata(
        Counter({("reddit", "en", "2020", "16-63", "big"): 120, ("reddit", "en", "2020", "16-63", "one"): 3, ("reddit", "en", "2020", "16-63", "two"): 4})
    )
    assert strata.people == {"reddit, en, 2020, 16-63 units, community of 100-999": 120, "reddit, en, 2020, 16-63 units, community of 1-9": 7}
    assert strata.name("web", "en", "2020", "1-3", None) == "web, en, 2020, 1-3 units, no community"


def test_a_rare_stratum_gives_a_larger_share_of_its_people() -> None:
    units = table([*crowd(400, community="large"), *crowd(4, community="small", name="q")])
    people = {balance: Counter(person[0] for person in set(chosen([units], 280, balance=balance)["person_id"].to_pylist())) for balance in (0.0, 0.5, 1.0)}
    assert people[0.0]["q"] == 4
    assert people[0.5]["q"] >= 2, "about 2 of 4 and 36 of 400 where the key is a power of 0.5"
    assert people[1.0]["q"] <= 2
    assert all(sum(counts.values()) in (40, 41) for counts in people.values()), "7 units of each of 40 people"


@pytest.mark.parametrize("per_community", [15, 1000])
def test_a_larger_budget_takes_all_that_a_smaller_one_takes_in_the_same_order(per_community: int) -> None:
    buckets = [table([*crowd(30, community=name, name=name), *crowd(10, 40, "shared", f"{name}s")]) for name in "xyz"]
    samples = [contents(chosen(buckets, budget, per_community)) for budget in (1, 7, 40, 55, 10_000)]
    for small, large in pairwise(samples):
        assert large[: len(small)] == small
    assert [len(sample) for sample in samples[:4]] == [1, 7, 40, 55]


def test_neither_the_order_of_rows_nor_the_parts_in_which_they_come_decide() -> None:
    rows = [*crowd(60), *crowd(20, 30, "b", "q")]
    whole = chosen([table(rows)], 150, 100)
    parts = [table([row for row in reversed(rows) if int(row["person_id"][1:]) % 7 == part]) for part in range(7)]
    assert contents(chosen(parts, 150, 100)) == contents(whole)
    assert contents(chosen(parts[::-1], 150, 100)) == contents(whole)


def test_an_archive_that_grows_leaves_most_of_the_sample_as_it_is() -> None:
    before = set(contents(chosen([table(crowd(300))], 700)))
    after = set(contents(chosen([table([*crowd(330, 13)])], 700)))
    assert len(before & after) > 0.6 * len(before)


def test_no_community_gives_more_than_its_limit_and_those_in_none_are_not_bound() -> None:
    rows = [*crowd(40, community="large"), *crowd(6, community="small", name="s"), *crowd(5, community=None, name="n")]  # type: ignore[arg-type]
    found = chosen([table(rows)], 500, per_community=30)
    counts = Counter(found["community"].to_pylist())
    assert counts == {"large": 30, "small": 30, None: 35}


def test_a_content_is_taken_once_and_the_budget_counts_contents() -> None:
    rows = [unit(f"p{person}", number, content=f"same-{number}" if number % 2 else None) for person in range(20) for number in range(12)]
    found = chosen([table(rows)], 40)
    assert len(contents(found)) == len(set(contents(found))) == 40
    assert sum(content.startswith("same") for content in contents(found)) <= 4


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12), st.sampled_from(["a", "b", "c", None])), max_size=60), st.integers(1, 20), st.integers(1, 6))
def test_what_is_dropped_on_the_way_would_not_have_been_chosen(rows: list[tuple[int, int, str | None]], contents_: int, per_community: int) -> None:
    columns = ("key", "turn", "stratum", "person_id", "unit_id", "content", "thread_id", "platform", "community")
    made = [(float(key), place, "s", f"p{key}", f"u{place}", f"c{content}", None, "x", community) for place, (key, content, community) in enumerate(rows)]
    types = [pa.float64(), pa.int32(), pa.dictionary(pa.int32(), pa.string()), *[pa.string()] * 6]
    whole = pa.table([pa.array(values, kind) for values, kind in zip(zip(*made, strict=True) if made else [()] * 9, types, strict=True)], names=list(columns))
    pool = Pool(Budget(contents_, per_community))
    for start in range(0, max(1, len(made)), 7):
        pool.add(whole.slice(start, 7))
    kept = within_budget(whole, Budget(contents_, per_community))
    first = list(dict.fromkeys(kept["content"].to_pylist()))
    assert contents(pool.chosen()) == first
    assert len(first) <= contents_
    assert all(count <= per_community for place, count in Counter(kept["community"].to_pylist()).items() if place)


def test_nobody_there_is_an_empty_sample() -> None:
    found = chosen([table([]), table(crowd(3, 2))], 10)
    assert sample_table(found, "v").num_rows == 0
    assert np.isinf(Pool(Budget(3, 3)).limit)
