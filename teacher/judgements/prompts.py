"""The two prompts that items are judged by, and a unit or history with an item as their questions. Pure but for reading the file."""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from conf.errors import ConfigError
from conf.settings import StageConfig
from lake.rendering import render_history_unit
from teacher.engine import Question
from teacher.fence import harmless

Kind = Literal["likelihood", "relevance"]
Of = Literal["unit", "history"]
CUE = "Answer:"
PROMPTS = ("likelihood", "relevance", "supported", "entailed")


class JudgePrompt(StageConfig):
    """A prompt file of the judge. `unit` and `history` hold `{item}` and, of kind relevance, `{query}`: the words of the unit, or of the newest units of the history."""

    name: str
    version: int = Field(description="Raised with every change of meaning; a hash of the file stands beside it in `prompt_version`.")
    kind: Kind
    own_chars: int = Field(gt=0, description="Characters of a unit's own words.")
    context_chars: int = Field(gt=0, description="Characters of each text around them.")
    instructions: str = Field("", description="Of kind relevance: what stands first, or the message of the system to a chat model.")
    unit: str
    history: str = ""
    answers: dict[str, float] = Field(
        {}, description="Of kind relevance: the answers that there are, and the grade of each, 0 to 1. No two may begin with the same token."
    )

    @property
    def prompt_version(self) -> str:
        """Name, version and hash of the content, e.g. 'relevance-1-3fa94c01'."""
        digest = hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]
        return f"{self.name}-{self.version}-{digest}"


def load_judge_prompt(name: str, kind: Kind) -> JudgePrompt:
    """A prompt that comes with Kindred, or the prompt file at a path; of a kind. Raises ConfigError."""
    file = files("teacher") / "prompt_files" / f"{name}.yaml" if name in PROMPTS else Path(name).expanduser()
    try:
        prompt = JudgePrompt(**yaml.safe_load(file.read_text(encoding="utf-8")))
    except OSError:
        raise ConfigError(f"teacher.judge.{kind}: {name!r} is neither one of {', '.join(PROMPTS)} nor a file that can be read") from None
    except (yaml.YAMLError, ValidationError, TypeError) as error:
        raise ConfigError(f"teacher.judge.{kind}: {name!r} is no prompt file of the judge: {error}") from None
    if prompt.kind != kind or (kind == "relevance" and len(prompt.answers) < 2):
        raise ConfigError(
            f"teacher.judge.{kind}: {name!r} is of kind {prompt.kind!r} with {len(prompt.answers)} answers; expected {kind!r}, of relevance two answers at least"
        )
    return prompt


def query_words(prompt: JudgePrompt, units: Sequence[Mapping[str, Any]], share: float = 1.0) -> str:
    """Units, oldest first, as one line each, with a share of the characters that the prompt shows of each text."""
    sizes = (max(1, int(chars * share)) for chars in (prompt.own_chars, prompt.context_chars))
    own_chars, context_chars = sizes
    return "\n".join(harmless(render_history_unit(unit, own_chars, context_chars)) for unit in units)


def likelihood_question(prompt: JudgePrompt, of: Of, words: str, item: str) -> tuple[str, str]:
    """What stands before the words of a unit or history where they are read behind an item, and these words."""
    return getattr(prompt, of).format(item=harmless(item)), f" {words}"


def relevance_question(prompt: JudgePrompt, of: Of, words: str, item: str, is_chat: bool) -> Question:
    """Words and an item as a question whose answer is one of the prompt's. The item stands last, so that all of one query's questions begin alike."""
    asked = getattr(prompt, of).format(query=words, item=harmless(item))
    if is_chat:
        return [{"role": "system", "content": prompt.instructions}, {"role": "user", "content": asked}]
    return f"{prompt.instructions}\n\n{asked}\n{CUE}"
