"""What a run is known by."""

import pyarrow as pa

from trainer.config import EvaluationConfig, TrainerConfig
from trainer.fingerprint import contents_hash, settings_hash

ROWS = pa.table({"id": ["a", "b", "c"], "texts": [["x"], ["y", "z"], []]})


def hashed(*tables: pa.Table) -> str:
    return contents_hash(table.to_batches() for table in tables)


def test_order_and_batches_of_rows_do_not_count() -> None:
    assert hashed(ROWS) == hashed(ROWS.take([2, 0, 1])) == contents_hash([ROWS.to_batches(max_chunksize=1)])


def test_a_changed_a_lost_and_a_doubled_row_count() -> None:
    changed = pa.table({"id": ["a", "b", "c"], "texts": [["x"], ["yz"], []]})
    assert len({hashed(ROWS), hashed(changed), hashed(ROWS.slice(0, 2)), hashed(pa.concat_tables([ROWS, ROWS.slice(0, 1)]))}) == 4


def test_a_row_belongs_to_its_table() -> None:
    assert hashed(ROWS, ROWS.slice(0, 0)) != hashed(ROWS.slice(0, 0), ROWS)


def test_settings_of_other_jobs_do_not_count() -> None:
    assert settings_hash(TrainerConfig()) == settings_hash(TrainerConfig(evaluation=EvaluationConfig(seed=99)))
    assert settings_hash(TrainerConfig()) != settings_hash(TrainerConfig(seed=99))
