"""In how many slices a file is read."""

import pytest

from etl.ingest.decoders import GB
from etl.ingest.file_results import slice_count


@pytest.mark.parametrize(
    ("file_gb", "all_gb", "cores", "slices"),
    [
        (30, 30, 8, 8),  # alone: every core takes part
        (30, 60, 8, 4),
        (30, 480 * 30, 64, 1),  # many of a size keep all cores busy as they are
        (30, 480 * 30, 960, 2),
        (1, 31, 8, 1),  # a small one beside a big one
        (30, 31, 8, 8),
        (30, 30, 1, 1),
    ],
)
def test_a_file_has_a_slice_for_each_core_whose_share_it_holds(file_gb, all_gb, cores, slices):
    assert slice_count(file_gb * GB, all_gb * GB, GB // 2, cores) == slices


def test_a_file_that_is_not_big_is_never_split():
    assert slice_count(GB, GB, GB, 8) == 1
    assert slice_count(GB + 1, GB + 1, GB, 8) == 8
    assert slice_count(100 * GB, 100 * GB, None, 8) == 1
