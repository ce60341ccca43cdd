"""The language model that writes labels, and judges items: vLLM in this process, on a CPU or on GPUs (edge).

Follows https://docs.vllm.ai (0.32): `LLM.generate` for plain completions, `LLM.chat` for messages through the model's own template,
structured outputs by xgrammar. Decoding is greedy. What a call returns depends on its prompts alone: the prefix cache is emptied first
and filled again by the first prompt, since a number computed with a cache may differ in its last bit from one computed without.
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from conf.errors import TeacherError
from teacher.engine import Completion, Decoding, Question
from teacher.engines.tokens import PromptTokens

logger = logging.getLogger(__name__)
CPU_BLOCK, GPU_BLOCK = 32, 16
"""Tokens of one block of the prefix cache: of what two prompts have in common, whole blocks are read once."""


class VllmEngine:
    """vLLM with one model in memory, in this process."""

    def __init__(self, model: str, max_model_tokens: int, dtype: str | None, kv_cache_gigabytes: int, settings: Mapping[str, Any]) -> None:
        _set_environment(kv_cache_gigabytes)
        try:
            from vllm import LLM
            from vllm.platforms import current_platform
        except ImportError as error:
            raise TeacherError(f"vLLM cannot be imported ({error}); run make setup, or install kindred[teacher] on a machine with GPUs") from error
        arguments: dict[str, Any] = {
            "max_model_len": max_model_tokens, "enable_prefix_caching": True, "seed": 0, "disable_log_stats": True,
            "use_tqdm_on_load": logger.isEnabledFor(logging.DEBUG),
            "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
        }  # fmt: skip
        if current_platform.is_cpu():
            arguments |= {"dtype": "float32", "enforce_eager": True, "block_size": CPU_BLOCK, "max_num_seqs": 64}
        if dtype:
            arguments["dtype"] = dtype
        arguments |= dict(settings)
        logger.info("starting vLLM with %s", model)
        try:
            self._llm = LLM(model=model, **arguments)
        except Exception as error:
            raise TeacherError(f"vLLM cannot start the model {model!r}: {type(error).__name__}: {error}; see teacher.model and teacher.vllm") from error
        self._tokens = PromptTokens(self._llm.get_tokenizer(), int(arguments["max_model_len"]))

    def fits(self, prompt: Question, decoding: Decoding) -> bool:
        """Whether prompt and answer are together no more than the model's context."""
        return self._tokens.fits(prompt, decoding)

    def complete(self, prompts: Sequence[Question], decoding: Decoding) -> list[Completion]:
        """One completion a prompt, in the order of the prompts. One that does not fit is a TeacherError."""
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        sampling = SamplingParams(
            temperature=0,
            max_tokens=decoding.max_tokens,
            stop=list(decoding.stop) or None,
            structured_outputs=StructuredOutputsParams(json=json.dumps(decoding.schema)) if decoding.schema else None,
        )
        return [_completion(output) for output in self._in_two_parts(prompts, sampling)]

    def likelihoods(self, texts: Sequence[tuple[str, str]]) -> list[float | None]:
        """As `teacher.engine.Judge` has it. Texts that do not fit are a TeacherError."""
        from vllm import SamplingParams

        tokens = [self._tokens.behind(*each) for each in texts]
        prompts = [{"prompt_token_ids": ids} for ids, _ in tokens]
        outputs = self._llm.generate(prompts, SamplingParams(temperature=0, max_tokens=1, prompt_logprobs=0), use_tqdm=False) if prompts else []  # type: ignore[arg-type]
        return [_mean(output, ids, first) for output, (ids, first) in zip(outputs, tokens, strict=True)]

    def choices(self, prompts: Sequence[Question], answers: Sequence[str]) -> list[list[float] | None]:
        """As `teacher.engine.Judge` has it. Raises TeacherError where two answers begin with the same token, or a prompt does not fit."""
        from vllm import SamplingParams

        if not prompts:
            return []
        first = [self._tokens.beginning(f" {answer}" if isinstance(prompts[0], str) else answer) for answer in answers]
        if len(set(first)) < len(first):
            raise TeacherError(f"two of the answers {', '.join(answers)} begin with the same token of this model; give them other words in the prompt file")
        sampling = SamplingParams(temperature=0, max_tokens=1, logprob_token_ids=first)
        chances = (output.outputs[0].logprobs[0] for output in self._in_two_parts(prompts, sampling))
        return [[of_tokens[token].logprob for token in first] for of_tokens in chances]

    def _in_two_parts(self, prompts: Sequence[Question], sampling: Any) -> list[Any]:
        """What comes of each prompt, the first of them asked before the others: it fills the cache that is emptied for them all."""
        self._llm.reset_prefix_cache()
        return [output for part in (prompts[:1], prompts[1:]) if part for output in self._ask(part, sampling)]

    def _ask(self, prompts: Sequence[Question], sampling: Any) -> list[Any]:
        try:
            if isinstance(prompts[0], str):
                return self._llm.generate(list(prompts), sampling, use_tqdm=False)  # type: ignore[arg-type]
            return self._llm.chat(list(prompts), sampling, use_tqdm=False, chat_template_kwargs={"enable_thinking": False})  # type: ignore[arg-type]
        except ValueError as error:
            raise TeacherError(f"the teacher refuses a prompt: {error}; raise teacher.max_model_tokens or shorten the prompt file's limits") from error


def _completion(output: Any) -> Completion:
    answer = output.outputs[0]
    return Completion(answer.text, answer.finish_reason == "stop", len(output.prompt_token_ids or ()), len(answer.token_ids), output.num_cached_tokens or 0)


def _mean(output: Any, tokens: Sequence[int], first: int) -> float | None:
    """Of the tokens of a prompt from the first on; None where there are none."""
    chances = [of_tokens[token].logprob for of_tokens, token in zip(output.prompt_logprobs[first:], tokens[first:], strict=True)]
    return sum(chances) / len(chances) if chances else None


def _set_environment(kv_cache_gigabytes: int) -> None:
    """What vLLM and OpenMP read before they are imported; what the caller's environment says goes first.

    Threads that wait sleep instead of spinning, so that they leave the cores to other work.
    """
    defaults = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1",
        "VLLM_CPU_KVCACHE_SPACE": str(kv_cache_gigabytes), "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false",
    }  # fmt: skip
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
