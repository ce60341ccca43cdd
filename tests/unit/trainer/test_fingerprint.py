"""What a run is known by, beside its tables."""

from pathlib import Path

import pytest

from conf.errors import ConfigError
from trainer.config import EvaluationConfig, TrainerConfig
from trainer.fingerprint import training_settings
from trainer.student import load_base


def test_settings_of_other_jobs_do_not_count() -> None:
    assert training_settings(TrainerConfig()) == training_settings(TrainerConfig(evaluation=EvaluationConfig(seed=99)))
    assert training_settings(TrainerConfig()) != training_settings(TrainerConfig(seed=99))


def test_checkpoints_do_not_count_since_a_run_goes_on_under_other_ones() -> None:
    other = TrainerConfig(checkpoints="elsewhere", checkpoint_steps=3, checkpoint_minutes=None, keep_checkpoints=9)
    assert training_settings(TrainerConfig()) == training_settings(other)
    assert training_settings(TrainerConfig()) != training_settings(TrainerConfig(dropout=True))


def test_a_base_counts_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    model = load_base("all-MiniLM-L6-v2", 64, "cpu")
    for name in ("a", "b"):
        model.save(str(tmp_path / name), create_model_card=False)
    a, b = (training_settings(TrainerConfig(base_model=str(tmp_path / name))) for name in ("a", "b"))
    assert a == b
    (tmp_path / "b" / "model.safetensors").write_bytes(b"other weights")
    assert training_settings(TrainerConfig(base_model=str(tmp_path / "b"))) != a


def test_arithmetic_counts_as_it_comes_out_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert training_settings(TrainerConfig(precision="auto")) == training_settings(TrainerConfig(precision="full"))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert training_settings(TrainerConfig(precision="auto")) == training_settings(TrainerConfig(precision="bf16"))


def test_a_base_that_is_nowhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match=r"model 'nobody/nothing': no such folder, and no model hub gives it"):
        training_settings(TrainerConfig(base_model="nobody/nothing"))
