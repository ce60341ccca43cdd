"""Ids of several units: counted among what was made and against what was there, and in large lakes in a sample."""

import numpy as np
import pyarrow as pa
import pytest

from etl.units.unit_ids import IDS_IN_SAMPLE, ids_of_several, one_in, sampled_ids


def sampled(*ids: str, of: int = 1) -> np.ndarray:
    return sampled_ids(pa.array(ids, pa.string()), of)


@pytest.mark.parametrize(
    ("units", "of"),
    [(0, 1), (1, 1), (IDS_IN_SAMPLE, 1), (IDS_IN_SAMPLE + 1, 2), (2 * IDS_IN_SAMPLE, 2), (3 * IDS_IN_SAMPLE, 4), (15_000_000_000, 16_384)],
)
def test_the_sample_has_a_million_ids_at_most(units: int, of: int) -> None:
    assert one_in(units) == of
    assert units / of <= IDS_IN_SAMPLE


def test_an_id_counts_once_however_many_units_it_has_and_whoever_made_them() -> None:
    made = [sampled("a", "b", "a"), sampled("b", "a", "c"), sampled()]
    assert ids_of_several(made, sampled(), of=1, known_share=1) == 2
    assert ids_of_several(made, sampled("c", "a", "z", "z"), of=1, known_share=1) == 3
    assert ids_of_several([], sampled("z", "z"), of=1, known_share=1) == 0


def test_what_is_found_in_a_part_of_the_known_units_stands_for_the_rest() -> None:
    assert ids_of_several([sampled("a", "b", "a")], sampled("b"), of=1, known_share=0.25) == 1 + 4


def test_a_sample_counts_about_what_there_is() -> None:
    ids = [f"reddit:t1_{number:x}" for number in range(64_000)]
    made = [sampled(*ids, of=16), sampled(*ids[:32_000], of=16)]
    assert sum(map(len, made)) == pytest.approx(96_000 / 16, rel=0.1)
    assert ids_of_several(made, sampled(), of=16, known_share=1) == pytest.approx(32_000, rel=0.1)
