"""How many tokens a prompt has, by the tokenizer of the model that reads it."""

from typing import Any

from conf.errors import ConfigError
from teacher.engine import Decoding, Question


class PromptTokens:
    """A model's tokenizer, and how many tokens prompt and answer may be together (None: as many as there are)."""

    def __init__(self, tokenizer: Any, max_tokens: int | None) -> None:
        self._tokenizer, self._max_tokens = tokenizer, max_tokens

    def of(self, prompt: Question) -> list[int]:
        """The prompt's tokens as the model reads them: messages through the model's own template."""
        if isinstance(prompt, str):
            return list(self._tokenizer.encode(prompt))
        messages: list[Any] = [*prompt]
        return list(self._tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False, add_generation_prompt=True, enable_thinking=False))

    def behind(self, before: str, text: str) -> tuple[list[int], int]:
        """The tokens of both texts as the model reads them, and how many of them belong to the first."""
        read = self._tokenizer(before + text, return_offsets_mapping=True)
        ends = [end for _, end in read["offset_mapping"]]
        return list(read["input_ids"]), next((place for place, end in enumerate(ends) if end > len(before)), len(ends))

    def beginning(self, answer: str) -> int:
        """The first token of an answer."""
        return int(self._tokenizer.encode(answer, add_special_tokens=False)[0])

    def of_answer(self, answer: str) -> list[int]:
        """The tokens that a model writes to answer so, the sign of the end behind them."""
        return [*self._tokenizer.encode(answer, add_special_tokens=False), self._tokenizer.eos_token_id]

    @property
    def knows_messages(self) -> bool:
        """Whether the model has a template of its own for messages, and a sign by which it ends an answer."""
        return bool(self._tokenizer.chat_template) and self._tokenizer.eos_token_id is not None

    def fits(self, prompt: Question, decoding: Decoding) -> bool:
        """Whether prompt and answer are together no more than the model's context."""
        return self._max_tokens is None or len(self.of(prompt)) + decoding.max_tokens <= self._max_tokens


def load_tokens(model: str, max_tokens: int | None) -> PromptTokens:
    """The tokenizer of a folder or hub name; no weights are read. Raises ConfigError."""
    from transformers import AutoTokenizer

    try:
        return PromptTokens(AutoTokenizer.from_pretrained(model), max_tokens)
    except Exception as error:
        raise ConfigError(f"{model!r} holds no tokenizer that can be loaded: {type(error).__name__}: {error}") from None
