"""Parts of a bucket: everybody is in one of them, and nobody in two."""

import pyarrow as pa
import pytest

from lake.chunk_parts import ranges_of_ids


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 256])
@pytest.mark.parametrize("there", [[], ["80"], [f"{number:04x}" for number in range(500)], [f"user-{number:04}" for number in range(500)]])
def test_ranges_of_ids_leave_nobody_out_and_take_nobody_twice(parts: int, there: list[str]) -> None:
    ranges = list(ranges_of_ids(pa.chunked_array([there], pa.string()), parts))
    for person_id in ("", "0", "00", "7fffff", "80", "ff", "ffffff", "somebody", "user-0250", "Zoe", "é"):
        assert sum((start is None or person_id >= start) and (end is None or person_id < end) for start, end in ranges) == 1, person_id
    held = [sum((start is None or each >= start) and (end is None or each < end) for each in there) for start, end in ranges]
    assert max(held) <= -(-len(there) // parts) + 1
