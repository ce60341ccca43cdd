"""What a distillation trains, and on what: the base, the strong teacher, the lessons, and the fingerprint of all that decides its weights."""

import logging
from dataclasses import dataclass
from pathlib import Path

from conf.errors import ConfigError
from lake.config import LakeConfig
from lake.job_runs import Inputs, inputs_now
from lake.labels import LABELS
from lake.rendering import RENDERING_VERSION
from lake.units import IDENTITIES, UNITS
from teacher.audit.audited import find_teachers
from teacher.config import DistilConfig, TeacherConfig
from teacher.distil.lessons import Lessons, read_lessons
from teacher.distil.loop import uses_bf16
from teacher.engines.tokens import load_tokens
from teacher.identity import Teacher, find_teacher, model_folder

logger = logging.getLogger(__name__)

DISTIL_VERSION = "1"
"""Changes with the code that trains: other weights of the same labels."""
_DECIDE_NO_WEIGHTS = {"teacher", "base", "prompt", "contents", "min_contents", "held_out_share", "held_out_contents", "registered_model", "alias"}
"""Settings that decide nothing, or nothing but the lessons, which count themselves."""


@dataclass(frozen=True)
class Plan:
    """One distillation. `base` is the untrained model with the prompt that it is taught to answer, `folder` where it is."""

    strong: str
    base: Teacher
    folder: Path
    lessons: Lessons
    tables: Inputs
    fingerprint: str


def plan_distillation(lake: LakeConfig, config: TeacherConfig) -> Plan:
    """What is to be trained; nothing is loaded but a tokenizer. Raises ConfigError, ContractError, TeacherError."""
    distil = config.distil
    tables = inputs_now(lake, reads=(LABELS, UNITS), optional=(IDENTITIES,))
    strong = _strong_teacher(lake, tables, distil)
    untrained = config.model_copy(update={"engine": "vllm", "model": distil.base, "prompt": distil.prompt})
    base = find_teacher(untrained)
    folder = model_folder(untrained, base.fingerprint, lake.cache_dir)
    tokens = load_tokens(folder, config.max_model_tokens)
    if base.prompt.style != "chat":
        raise ConfigError(
            f"teacher.distil.prompt: {base.prompt.name!r} is of style {base.prompt.style!r}, expected 'chat', whose answers are JSON; take 'distilled'"
        )
    if not tokens.knows_messages:
        raise ConfigError(f"teacher.distil.base: {distil.base!r} has no chat template, or no sign that ends an answer; take an instruct model")
    logger.info("reading what teacher %s labelled", strong)
    lessons = read_lessons(lake, tables, strong, distil, base.prompt, tokens)
    settings = distil.model_dump(mode="json", exclude=_DECIDE_NO_WEIGHTS)
    settings |= {"precision": "bf16" if uses_bf16(distil) else "full", "base": base.fingerprint, "lessons": lessons.fingerprint, "strong": strong}
    decided = Inputs(settings=settings, code=f"{DISTIL_VERSION} {RENDERING_VERSION}")
    return Plan(strong, base, Path(folder), lessons, tables, decided.fingerprint)


def _strong_teacher(lake: LakeConfig, tables: Inputs, config: DistilConfig) -> str:
    if config.teacher is None:
        known = ", ".join(find_teachers(lake, tables, ()))
        raise ConfigError(f"teacher.distil.teacher: not set; expected whose labels are to be learned, one of {known}")
    (strong,) = find_teachers(lake, tables, (config.teacher,))
    return strong
