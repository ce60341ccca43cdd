"""What labels are asked of: a language model behind two functions, in our own words. Who answers stands in `teacher/engines/`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Question = str | list[dict[str, str]]
"""A text to be continued, or messages for a chat model."""


class Decoding(NamedTuple):
    """How an answer is written: greedily, to the first of the stops, of a JSON shape where a schema is given."""

    max_tokens: int
    stop: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None


class Completion(NamedTuple):
    """What the model wrote to one prompt; `is_whole` where it came to an end by itself."""

    text: str
    is_whole: bool
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    """Of the prompt's tokens, those that the engine had read before."""
    refusal: str | None = None
    """Why the engine would not answer this one prompt, short and countable; nothing is written then."""


class Reader(Protocol):
    """What knows how much a model can read."""

    def fits(self, prompt: Question, decoding: Decoding) -> bool:
        """Whether the model can read a prompt and still write its answer."""
        ...


class Engine(Reader, Protocol):
    """What labels are asked of; tests put a fake with answers of its own in its place."""

    def complete(self, prompts: Sequence[Question], decoding: Decoding) -> list[Completion]:
        """One completion a prompt, in the order of the prompts, which all fit."""
        ...


class Judge(Reader, Protocol):
    """What a model is asked that judges: how likely it finds words, and which of some answers. None where it would not read one of them. Natural logarithms."""

    def likelihoods(self, texts: Sequence[tuple[str, str]]) -> list[float | None]:
        """Of each pair the mean log-probability of a token of the second text, read right behind the first, in their order."""
        ...

    def choices(self, prompts: Sequence[Question], answers: Sequence[str]) -> list[list[float] | None]:
        """Of each prompt the log-probability that its answer begins as each of these answers does, in their orders."""
        ...


class JudgingEngine(Engine, Judge, Protocol):
    """One that writes labels and judges."""
