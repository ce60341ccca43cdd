"""What a run of training or evaluation is known by: its settings, and the tables that it reads."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lake.rendering import RENDERING_VERSION
from trainer.config import EvaluationConfig, TrainingConfig

TRAIN, EVALUATE = "trainer train", "trainer evaluate"
"""The jobs, as runs of theirs are known in `job_runs` and in MLflow."""
ITEM_COLUMNS = ("item_id", "source", "level", "text")
"""What training reads of `items`: how often a label was given does not count."""
TRAINING_VERSION = "3"
"""Changes with the training code: an encoder that other code would train from the same tables is another one."""
EVALUATION_VERSION = "1"
"""Changes with the code that asks and scores: numbers of other code are other numbers."""


@dataclass(frozen=True)
class Plan:
    """What a run trains on (table -> Delta version), the same for all its processes; `tags` are what the run is known by."""

    versions: dict[str, int]
    tags: dict[str, str]


def settings_hash(config: TrainingConfig) -> str:
    """Hash of all that decides an encoder beside the tables; settings of other jobs do not count."""
    settings = {name: getattr(config, name) for name in TrainingConfig.model_fields}
    return _digest([TRAINING_VERSION, RENDERING_VERSION, json.dumps(settings, sort_keys=True)])


def evaluation_hash(config: EvaluationConfig) -> str:
    """Hash of all that decides an evaluation beside the tables and the encoder."""
    return _digest([EVALUATION_VERSION, config.model_dump_json()])


def table_states(tables: Mapping[str, tuple[str, int]]) -> str:
    """Tables (name -> Delta id and version) as one word each."""
    return " ".join(f"{name}@{table_id}:{version}" for name, (table_id, version) in tables.items())


def contents_hash(tables: Iterable[Iterable[pa.RecordBatch]]) -> str:
    """Hash of the rows of several tables, whatever the rows' order and the files they lie in."""
    return _digest([_digest(sorted(_row_digests(batches))) for batches in tables])


def _row_digests(batches: Iterable[pa.RecordBatch]) -> Iterable[str]:
    for batch in batches:
        for row in batch.to_pylist():
            yield _digest([json.dumps(row, sort_keys=True, default=_time_as_text)])


def _time_as_text(value: Any) -> str:
    return str(value.isoformat())


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()[:32]
