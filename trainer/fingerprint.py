"""What a run of training or evaluation is known by, beside the tables that it reads: versions of its code, and its settings."""

from dataclasses import dataclass
from typing import Any

from lake.encoder import encoder_version
from lake.models import model_folder
from trainer.config import ExamplesConfig, TrainingConfig

TRAIN, MERGE, EVALUATE, ABLATE = "trainer train", "trainer merge", "trainer evaluate", "trainer ablate"
"""The jobs, as runs of theirs are known in `job_runs` and in MLflow."""
EXAMPLES_VERSION = "9"
"""Changes with the code that cuts examples: other rows of the same tables."""
TRAINING_VERSION = "10"
"""Changes with the training code: an encoder that other code would train from the same tables is another one."""
EVALUATION_VERSION = "9"
"""Changes with the code that asks and scores: numbers of other code are other numbers."""


@dataclass(frozen=True)
class Plan:
    """What a run trains on (table -> Delta version), the same for all its processes; `tags` are what the run is known by."""

    versions: dict[str, int]
    tags: dict[str, str]


def training_settings(config: TrainingConfig) -> dict[str, Any]:
    """All that decides an encoder beside tables and code: the base by its content, since a name says nothing of it, and the arithmetic as it comes out here."""
    settings = {name: getattr(config, name) for name in TrainingConfig.model_fields}
    return settings | {"base_model": encoder_version(model_folder(config.base_model)), "precision": "bf16" if uses_bf16(config) else "full"}


def examples_settings(config: ExamplesConfig) -> dict[str, Any]:
    """All settings that decide what stands in `examples`; what bounds memory does not."""
    return config.model_dump(exclude={"memory_mb", "labels_at_once"})


def uses_bf16(config: TrainingConfig) -> bool:
    """Whether the forward pass is computed in bf16 on this machine."""
    import torch

    return config.precision == "bf16" or (config.precision == "auto" and torch.cuda.is_available())
