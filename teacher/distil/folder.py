"""The folder of a distilled teacher: weights, tokenizer and card, as vLLM and transformers load it (edge)."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch

from conf.errors import ConfigError
from lake.models import base_licence, public_name
from teacher.card import CARD_FILE, TeacherCard
from teacher.config import DistilConfig
from teacher.distil.plan import Plan
from teacher.small_model import FILES_IN_WHEELS, wheel_licence

FOLDER = "teacher"


def load_base(folder: Path) -> Any:
    """The causal language model of a folder, in float32: of weights in bf16 a small step changes few. Raises ConfigError."""
    from transformers import AutoModelForCausalLM

    try:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise ConfigError(f"teacher.distil.base: no causal language model could be loaded from {folder} ({error})") from None


def teacher_card(plan: Plan, config: DistilConfig, strong_model: str, contents: int) -> TeacherCard:
    """What the distilled teacher says of itself; it learned from so many contents."""
    base = public_name(config.base)
    return TeacherCard(
        name=f"{base}, distilled from {public_name(strong_model)}", prompt=plan.base.prompt, base=base, base_licence=licence_of(config.base), learned_from=plan.strong,
        learned_from_model=strong_model, contents=contents, held_out_share=config.held_out_share, inputs=plan.fingerprint,
    )  # fmt: skip


def licence_of(base: str) -> str | None:
    """What the base's files say of their licence; None where they say nothing."""
    return wheel_licence(base) if base in FILES_IN_WHEELS else base_licence(base)


def write_folder(folder: Path, model: Any, base: Path, card: TeacherCard) -> None:
    """Write the trained model, in the number type of its base, with the base's tokenizer and the card; whole or not at all."""
    from transformers import AutoConfig, AutoTokenizer

    writing = folder.with_name(f"writing-{folder.name}")
    shutil.rmtree(writing, ignore_errors=True)
    model.to(AutoConfig.from_pretrained(base).dtype or torch.float32).save_pretrained(writing)
    AutoTokenizer.from_pretrained(base).save_pretrained(writing)
    (writing / CARD_FILE).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    os.replace(writing, folder)
