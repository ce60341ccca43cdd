"""An endpoint of OpenAI's kind that writes labels: a vLLM server, a provider, a gateway (edge).

Follows https://platform.openai.com/docs/api-reference (chat/completions, completions, models) through the `openai` client, which asks again, later each time, where a request got no
answer or one of status 408, 409, 429 or 5xx. Decoding is greedy, as far as the endpoint keeps to a temperature of 0.

What one prompt is refused for (too long, a content filter) becomes that content's reject. Whatever is wrong with all of them (no key, no such model, nobody there) is a TeacherError.
"""

import asyncio
import logging
import math
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeVar

import openai
from openai.types import Completion as TextAnswer
from openai.types.chat import ChatCompletion

from conf.errors import ConfigError, TeacherError
from conf.secrets import text_without_secrets
from teacher.config import KEY_VARIABLE, EndpointConfig
from teacher.engine import Completion, Decoding, Question
from teacher.engines.tokens import PromptTokens

logger = logging.getLogger(__name__)
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

TOO_LONG, FILTERED, REFUSED = "prompt: too many tokens", "prompt: refused by a content filter", "prompt: refused by the endpoint"
_SAYS_TOO_LONG = re.compile(r"context.?(?:length|window)|maximum (?:context|model length)|too many tokens|too long|longer than", re.IGNORECASE)
_SAYS_FILTERED = re.compile(r"content.?(?:filter|management|policy)|moderation|safety", re.IGNORECASE)
_HARMLESS = "Say one word."


class OpenAiEngine:
    """One model at one endpoint."""

    def __init__(self, model: str, endpoint: EndpointConfig, tokens: PromptTokens | None) -> None:
        self._model, self._endpoint, self._tokens = model, endpoint, tokens
        self._place = text_without_secrets(endpoint.base_url)
        logger.info("asking %s at %s", model, self._place)

    def fits(self, prompt: Question, decoding: Decoding) -> bool:
        """Whether prompt and answer are together no more than the model's context; without its tokenizer only the endpoint knows."""
        return self._tokens is None or self._tokens.fits(prompt, decoding)

    def complete(self, prompts: Sequence[Question], decoding: Decoding) -> list[Completion]:
        """One completion a prompt, in the order of the prompts; one with a `refusal` where the endpoint refuses it. Raises TeacherError where it refuses all, or does not answer."""
        return asyncio.run(self._complete(prompts, decoding))

    def likelihoods(self, texts: Sequence[tuple[str, str]]) -> list[float | None]:
        """As `teacher.engine.Judge` has it, None where the endpoint refuses a text. Raises ConfigError where it tells no log-probabilities of prompts: vLLM's server does, most others do not."""
        return asyncio.run(self._all(texts, self._likelihood))

    def choices(self, prompts: Sequence[Question], answers: Sequence[str]) -> list[list[float] | None]:
        """As `teacher.engine.Judge` has it, None where the endpoint refuses a prompt; an answer that is not among the likeliest tokens counts like the last of these. Raises ConfigError where it tells none."""

        async def chances(client: openai.AsyncOpenAI, prompt: Question) -> list[float] | None:
            return _of_answers(await self._likeliest(client, prompt), answers)

        return asyncio.run(self._all(prompts, chances))

    async def _complete(self, prompts: Sequence[Question], decoding: Decoding) -> list[Completion]:
        async def one(client: openai.AsyncOpenAI, prompt: Question) -> Completion:
            return await self._one(client, prompt, decoding)

        answers = await self._all(prompts, one)
        if answers and all(answer.refusal for answer in answers):
            async with openai.AsyncOpenAI(**_access(self._endpoint)) as client:
                await self._refuses_not_all(client, prompts[0], decoding, answers[0].text)
        return answers

    async def _all(self, asked: Sequence[Asked], ask: Callable[[openai.AsyncOpenAI, Asked], Awaitable[Answer]]) -> list[Answer]:
        """What comes of each, some of them under way at one time."""
        turns = asyncio.Semaphore(self._endpoint.requests_at_once)
        async with openai.AsyncOpenAI(**_access(self._endpoint)) as client:

            async def in_turn(each: Asked) -> Answer:
                async with turns:
                    return await ask(client, each)

            under_way = [asyncio.create_task(in_turn(each)) for each in asked]
            try:
                return list(await asyncio.gather(*under_way))
            finally:  # where one failed for a reason of all, the others end with it
                for task in under_way:
                    task.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)

    async def _likelihood(self, client: openai.AsyncOpenAI, texts: tuple[str, str]) -> float | None:
        before, text = texts
        body = {**self._endpoint.body, "prompt_logprobs": 0}
        asked = client.completions.create(model=self._model, prompt=before + text, max_tokens=1, temperature=0, extra_body=body)
        answer = await self._told(asked)
        told = None if answer is None else (self._only_choice(answer).model_extra or {}).get("prompt_logprobs")
        if answer is not None and not told:
            raise ConfigError(
                f"{self._place} tells no log-probabilities of a prompt's tokens, by which query likelihood is judged; set teacher.judge.likelihood=null to judge by relevance alone"
            )
        return None if answer is None else _mean_behind(told or [], text)

    async def _likeliest(self, client: openai.AsyncOpenAI, prompt: Question) -> Mapping[str, float] | None:
        """The likeliest tokens that an answer may begin with, and their log-probabilities; None where the endpoint refuses the prompt."""
        settings: dict[str, Any] = {"model": self._model, "max_tokens": 1, "temperature": 0, "extra_body": dict(self._endpoint.body)}
        if isinstance(prompt, str):
            text = await self._told(client.completions.create(prompt=prompt, logprobs=self._endpoint.top_logprobs, **settings))
            of_text = None if text is None else self._only_choice(text).logprobs
            found: Mapping[str, float] = of_text.top_logprobs[0] if of_text is not None and of_text.top_logprobs else {}
        else:
            messages: list[Any] = [*prompt]
            text = await self._told(client.chat.completions.create(messages=messages, logprobs=True, top_logprobs=self._endpoint.top_logprobs, **settings))
            of_chat = None if text is None else self._only_choice(text).logprobs
            found = {each.token: each.logprob for each in of_chat.content[0].top_logprobs} if of_chat is not None and of_chat.content else {}
        if text is not None and not found:
            raise ConfigError(f"{self._place} tells no log-probabilities of answers, by which items are judged; ask another endpoint, or engine vllm")
        return None if text is None else found

    async def _told(self, asked: Awaitable[Answer]) -> Answer | None:
        """What the endpoint answers; None where it refuses this one request. Raises TeacherError where it refuses all, or does not answer."""
        try:
            return await asked
        except openai.APIStatusError as error:
            if error.status_code in (400, 413, 422) and _refused(error).refusal != REFUSED:
                return None
            raise _failure(error, self._model, self._endpoint) from None
        except (openai.OpenAIError, ValueError) as error:  # ValueError: what came is no JSON
            raise _failure(error, self._model, self._endpoint) from None

    async def _refuses_not_all(self, client: openai.AsyncOpenAI, prompt: Question, decoding: Decoding, reason: str) -> None:
        """Raise TeacherError where harmless words are refused too: then the request is wrong and not the prompts."""
        harmless: Question = _HARMLESS if isinstance(prompt, str) else [{"role": "user", "content": _HARMLESS}]
        if (await self._one(client, harmless, decoding)).refusal:
            raise TeacherError(
                f"{self._place} refuses every request: {reason}; see teacher.openai.answer_shape and teacher.openai.body",
                f"{self._place} refuses every request",
            )

    async def _one(self, client: openai.AsyncOpenAI, prompt: Question, decoding: Decoding) -> Completion:
        try:
            if isinstance(prompt, str):
                return self._of_text(await client.completions.create(prompt=prompt, **self._request(decoding)))
            messages: list[Any] = [*prompt]
            return self._of_chat(await client.chat.completions.create(messages=messages, **self._request(decoding), **self._shape(decoding)))
        except openai.APIStatusError as error:
            if error.status_code in (400, 413, 422):
                return _refused(error)
            raise _failure(error, self._model, self._endpoint) from None
        except (openai.OpenAIError, ValueError) as error:  # ValueError: what came is no JSON
            raise _failure(error, self._model, self._endpoint) from None

    def _request(self, decoding: Decoding) -> dict[str, Any]:
        stop = {"stop": list(decoding.stop)} if decoding.stop else {}
        return {"model": self._model, "max_tokens": decoding.max_tokens, "temperature": 0, "extra_body": dict(self._endpoint.body), **stop}

    def _shape(self, decoding: Decoding) -> dict[str, Any]:
        if decoding.schema is None or self._endpoint.answer_shape == "free":
            return {}
        if self._endpoint.answer_shape == "json":
            return {"response_format": {"type": "json_object"}}
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "labels", "schema": dict(decoding.schema)}}}

    def _of_text(self, answer: TextAnswer) -> Completion:
        choice = self._only_choice(answer)
        return _completion(choice.text, choice.finish_reason, answer.usage)

    def _of_chat(self, answer: ChatCompletion) -> Completion:
        choice = self._only_choice(answer)
        if choice.message.refusal:
            return _completion(choice.message.refusal, "refusal", answer.usage)
        return _completion(choice.message.content, choice.finish_reason, answer.usage)

    def _only_choice(self, answer: Any) -> Any:
        choices = getattr(answer, "choices", None)
        if not choices:
            raise TeacherError(f"{self._place} answers something else than a completion; is teacher.openai.base_url right (it ends in '/v1' as a rule)?")
        return choices[0]


def _of_answers(likeliest: Mapping[str, float] | None, answers: Sequence[str]) -> list[float] | None:
    """Of each answer the log-probability of all tokens that it, and no other, begins with; of one with none of them that of the least likely token."""
    if likeliest is None:
        return None
    chances: list[list[float]] = [[] for _ in answers]
    for token, chance in likeliest.items():
        begun = [place for place, answer in enumerate(answers) if token.strip() and answer.lower().startswith(token.strip().lower())]
        if len(begun) == 1:
            chances[begun[0]].append(chance)
    least = min(likeliest.values())
    return [math.log(sum(map(math.exp, each))) if each else least for each in chances]


def _mean_behind(told: Sequence[Mapping[str, Mapping[str, Any]] | None], text: str) -> float | None:
    """Of the tokens of a prompt that write this text at its end; None where there are none."""
    chances, letters = [], 0
    for of_token in reversed(told):
        if letters >= len(text) or not of_token:
            break
        read = next(iter(of_token.values()))
        chances.append(float(read["logprob"]))
        letters += len(read.get("decoded_token") or "")
    return sum(chances) / len(chances) if chances else None


def served_model(model: str, endpoint: EndpointConfig) -> dict[str, Any]:
    """What the endpoint tells of a model, without what changes from one start of it to the next; nothing where it tells of none. Raises TeacherError where nobody is there."""
    try:
        with openai.OpenAI(**_access(endpoint)) as client:
            card = next((card.model_dump() for card in client.models.list() if card.id == model), {})
    except openai.APIStatusError as error:
        if error.status_code in (404, 405, 501):
            return {}
        raise _failure(error, model, endpoint) from None
    except (openai.OpenAIError, ValueError, AttributeError, TypeError) as error:  # the last two: what came is no list
        raise _failure(error, model, endpoint) from None
    told = {name: card[name] for name in ("owned_by", "max_model_len") if card.get(name)}
    return told | ({"root": PurePosixPath(str(card["root"])).name} if card.get("root") else {})


def _failure(error: Exception, model: str, endpoint: EndpointConfig) -> TeacherError:
    """What is wrong with all requests, in a sentence; what is labelled is committed, so that another run goes on."""
    place, said = text_without_secrets(endpoint.base_url), f"{type(error).__name__}: {_in_a_line(error)}"
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        found = f"{place} refuses the key ({said}); set {KEY_VARIABLE} in the environment"
    elif isinstance(error, openai.NotFoundError):
        found = f"{place} has no model {model!r}, or is no such endpoint ({said}); see teacher.model and teacher.openai.base_url"
    elif isinstance(error, openai.APIConnectionError):
        found = f"{place} does not answer ({said}); see teacher.openai.base_url. What is labelled is kept: run it again to go on"
    else:
        found = f"{place} fails ({said}), {endpoint.retries} retries included. What is labelled is kept: run it again to go on"
    return TeacherError(text_without_secrets(found), f"{place}: {type(error).__name__}")


def _access(endpoint: EndpointConfig) -> dict[str, Any]:
    key = os.environ.get(KEY_VARIABLE, "").strip()
    return {"base_url": endpoint.base_url, "api_key": key or "none", "timeout": endpoint.timeout_seconds, "max_retries": endpoint.retries}


def _completion(text: str | None, finish_reason: str | None, usage: Any) -> Completion:
    details = getattr(usage, "prompt_tokens_details", None)
    read, written, cached = (getattr(*each, 0) or 0 for each in ((usage, "prompt_tokens"), (usage, "completion_tokens"), (details, "cached_tokens")))
    refusal = {"content_filter": "answer: cut by a content filter", "refusal": "answer: refusal"}.get(finish_reason or "")
    return Completion(text or "", finish_reason == "stop", read, written, cached, refusal)


def _refused(error: openai.APIStatusError) -> Completion:
    said = text_without_secrets(_in_a_line(error))
    reason = TOO_LONG if _SAYS_TOO_LONG.search(said) else FILTERED if _SAYS_FILTERED.search(said) else REFUSED
    return Completion(said, False, 0, 0, 0, reason)


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
