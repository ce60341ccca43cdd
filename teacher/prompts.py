"""Prompt files, and a unit as the question that they ask of the teacher. Pure but for reading the file.

Two styles: `completion` for small models continues a list of examples and asks for the specific and the broad label apart, the broad one of
the specific one's words; `chat` gives instructions and asks for JSON with both. What is the same for all units stands first, so that vLLM
reads it once.

User text is hostile: it stands on one line between quotation marks that it cannot close, and holds no token that a chat template knows (`teacher/fence.py`).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from conf.errors import ConfigError
from conf.settings import StageConfig
from lake.rendering import nearest_context, own_words, plain, render_unit
from teacher.fence import harmless

PROMPTS = ("small", "chat", "distilled")

_QUOTED = re.compile('"[^"]*"')


class Example(StageConfig):
    """One example of a completion prompt."""

    thread: str = ""
    post: str
    specific: str


class Category(StageConfig):
    """One example of how a specific label gets its broad one."""

    specific: str
    broad: str


class Prompt(StageConfig):
    """A prompt file: its style, what it shows of a unit, and how long the answers may be."""

    name: str
    version: int = Field(description="Raised with every change of meaning; a hash of the file stands beside it in `prompt_version`.")
    style: Literal["completion", "chat"]
    own_chars: int = Field(gt=0, description="Characters of the unit's own words.")
    context_chars: int = Field(gt=0, description="Characters of each text around them.")
    max_parents: int = Field(0, ge=0, description="Links of the chain of parents that are shown.")
    specific_tokens: int = Field(gt=0, description="Tokens of a specific label, or of the whole answer of a chat model.")
    broad_tokens: int = Field(8, gt=0, description="Tokens of a broad label.")
    instructions: str = Field("", description="Message of the system to a chat model.")
    shown_labels: tuple[str, ...] = Field((), description="Specific labels that the instructions give as examples: copied, they are no answer.")
    examples: tuple[Example, ...] = ()
    categories: tuple[Category, ...] = ()

    @property
    def prompt_version(self) -> str:
        """Name, version and hash of the content, e.g. 'small-1-3fa94c01'."""
        digest = hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]
        return f"{self.name}-{self.version}-{digest}"


def load_prompt(name: str) -> Prompt:
    """A prompt that comes with Kindred, or the prompt file at a path. Raises ConfigError."""
    file = files("teacher") / "prompt_files" / f"{name}.yaml" if name in PROMPTS else Path(name).expanduser()
    try:
        return Prompt(**yaml.safe_load(file.read_text(encoding="utf-8")))
    except OSError:
        raise ConfigError(f"teacher.prompt: {name!r} is neither one of {', '.join(PROMPTS)} nor a file that can be read") from None
    except (yaml.YAMLError, ValidationError, TypeError) as error:
        raise ConfigError(f"teacher.prompt: {name!r} is no prompt file: {error}") from None


def shortened(prompt: Prompt, share: float) -> Prompt:
    """The prompt with so much of each text of a unit, for a unit whose words are too many tokens."""
    return prompt.model_copy(update={"own_chars": max(1, int(prompt.own_chars * share)), "context_chars": max(1, int(prompt.context_chars * share))})


def own_labels(prompt: Prompt) -> list[str]:
    """Specific labels that the prompt itself shows, which an answer may not copy."""
    return [*(example.specific for example in prompt.examples), *prompt.shown_labels]


def own_texts(prompt: Prompt) -> tuple[str, ...]:
    """What the prompt itself says, the labels that it shows aside: an answer that repeats it gives the prompt away."""
    examples = (text for example in prompt.examples for text in (example.thread, example.post))
    return (*_QUOTED.sub(" ", prompt.instructions).splitlines(), *examples, *(category.specific for category in prompt.categories))


def specific_question(prompt: Prompt, unit: Mapping[str, Any]) -> str:
    """The examples with their labels, then the unit with the cue for its own."""
    shown = [f"{_post(example.thread, example.post)}\nTopic: {example.specific}\n\n" for example in prompt.examples]
    return "".join(shown) + f"{_post(thread_title(unit, prompt.context_chars), own_words(unit, prompt.own_chars))}\nTopic:"


def broad_question(prompt: Prompt, specific: str) -> str:
    """The examples of categories, then a specific label with the cue for its category."""
    shown = [f"Topic: {example.specific}\nCategory: {example.broad}\n\n" for example in prompt.categories]
    return "".join(shown) + f"Topic: {harmless(plain(specific, 120))}\nCategory:"


def chat_question(prompt: Prompt, unit: Mapping[str, Any]) -> list[dict[str, str]]:
    """Instructions and the unit in its context, each text and the community's name a JSON string, for a chat model."""
    _, *lines = render_unit(unit, prompt.own_chars, prompt.context_chars, prompt.max_parents).splitlines()
    texts = [line.partition(": ") for line in lines]
    place = f"{harmless(plain(unit['action'].capitalize(), 80))} in {_quoted(plain(unit['community'], 80) or plain(unit['platform'], 80))}"
    content = "\n".join([place, *(f"{harmless(heading)}: {_quoted(text)}" for heading, _, text in texts)])
    return [{"role": "system", "content": prompt.instructions}, {"role": "user", "content": content}]


def thread_title(unit: Mapping[str, Any], max_chars: int) -> str:
    """The first line of what opened the thread; empty where the unit opens it or nothing is known."""
    roots = [entry["text"] for entry in nearest_context(unit["context"], 0) if entry["role"] == "root"]
    return plain(roots[0].strip().partition("\n")[0], max_chars) if roots else ""


def source_text(prompt: Prompt, unit: Mapping[str, Any]) -> str:
    """All words of a unit that its prompt shows: what a label may take words from."""
    shown = nearest_context(unit["context"], prompt.max_parents)
    texts = [plain(entry["text"], prompt.context_chars) for entry in shown]
    return " \n ".join([*texts, own_words(unit, prompt.own_chars), unit["community"] or ""])


def _quoted(text: str) -> str:
    return json.dumps(harmless(text), ensure_ascii=False)


def _post(thread: str, words: str) -> str:
    about = f'Post about "{harmless(thread)}"' if thread else "Post"
    return f'{about}: "{harmless(words)}"'
