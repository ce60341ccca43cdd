"""Settings of the trainer that no training could follow."""

from typing import Any

import pytest
from pydantic import ValidationError

from trainer.config import TrainingConfig


@pytest.mark.parametrize("phases", [[], [{"epochs": {}}], [{"epochs": {"titles": -1}}], [{"epochs": {"titles": 0}}], [{"epochs": {"title": 1}}]])
def test_a_training_has_phases_and_each_takes_steps(phases: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        TrainingConfig(phases=phases)
