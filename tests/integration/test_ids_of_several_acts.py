"""Ids of units that are there already, read from their files: all of them where they are few, else a part that says how much it is."""

import numpy as np
import pytest

from etl.tasks.files import table_file
from etl.units import unit_ids
from etl.units.unit_ids import ids_in_files, sampled_ids
from lake import arrow_tables
from lake.config import LakeConfig
from lake.units import UNITS
from tests.etl_rows import unit, units_table


def test_ids_are_read_from_as_many_files_as_are_enough(lake: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"reddit:t1_{number}" for number in range(20)]
    for start in range(0, 20, 5):
        arrow_tables.append(lake, UNITS, units_table([unit(name) for name in ids[start : start + 5]]))
    files = [table_file(file, UNITS) for file in arrow_tables.live_files(arrow_tables.open_table(lake, UNITS))]
    found, share = ids_in_files(lake, files, 1)
    assert (sorted(found.tolist()), share) == (sorted(sampled_ids(units_table([unit(name) for name in ids])["unit_id"], 1).tolist()), 1)
    assert ids_in_files(lake, [], 1) == (pytest.approx(np.empty(0)), 1)
    assert len(ids_in_files(lake, files, 4)[0]) < 20
    for limit in ({"FILES_READ": 1}, {"IDS_IN_SAMPLE": 5}):
        with monkeypatch.context() as patch:
            for name, value in limit.items():
                patch.setattr(unit_ids, name, value)
            found, share = ids_in_files(lake, files, 1)
        assert len(found) == 5
        assert share == pytest.approx(1 / 4, abs=0.05)
