"""What is at the top of each chain of parents, whatever order, gaps and cycles there are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.platforms import parents
from etl.platforms.parents import MOST_IDS, climb_to_tops, parent_table, top_of


def tops_of(pairs):
    table = parent_table([tuple(np.array(pairs, dtype=np.int64).reshape(-1, 2).T)])
    climb_to_tops(table)
    return table


def top_by_walking(parent_of, item):
    met = set()
    while item in parent_of:
        if item in met:
            return None
        met.add(item)
        item = parent_of[item]
    return item


def test_the_top_is_where_the_chain_ends_and_what_is_unknown_is_its_own():
    tops = tops_of([(5, 3), (3, 2), (9, 7)])
    assert [top_of(tops, item) for item in (5, 3, 2, 9, 7, 4, 1000)] == [2, 2, 2, 7, 7, 4, 1000]


def test_a_long_chain_is_climbed_whichever_way_it_runs():
    length = 100_000
    assert top_of(tops_of([(item, item - 1) for item in range(2, length)]), length - 1) == 1
    assert top_of(tops_of([(item, item + 1) for item in range(1, length)]), 1) == length


def test_what_hangs_in_a_cycle_has_no_top():
    tops = tops_of([(1, 2), (2, 3), (3, 1), (4, 3), (5, 5), (6, 7), (7, 6), (9, 8)])
    assert [top_of(tops, item) for item in range(1, 10)] == [None] * 7 + [8, 8]


def test_of_two_parents_the_later_counts_and_impossible_ids_are_left_out():
    table = parent_table([(np.array([4, -1, 6, MOST_IDS]), np.array([3, 2, MOST_IDS, 1])), (np.array([4]), np.array([2]))])
    assert table.tolist() == [0, 0, 0, 0, 2]
    assert parent_table([]).tolist() == [0]


@pytest.mark.parametrize("items_at_once", [1, 3, 2**20])
@given(pairs=st.dictionaries(st.integers(1, 12), st.integers(1, 12)))
def test_tops_are_those_that_a_walk_finds(items_at_once, pairs):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parents, "_ITEMS_AT_ONCE", items_at_once)
        tops = tops_of(list(pairs.items()))
    assert [top_of(tops, item) for item in range(1, 14)] == [top_by_walking(pairs, item) for item in range(1, 14)]
