"""Which teacher it is: where its model lies, what its files hold, and the version that its labels carry."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from conf.errors import TeacherError
from lake.models import model_path
from lake.rendering import RENDERING_VERSION
from teacher.answers import ANSWERS_VERSION
from teacher.card import read_card
from teacher.config import TeacherConfig
from teacher.prompts import Prompt, load_prompt
from teacher.small_model import FILES_IN_WHEELS, converted_folder, wheel_file

SMALL_MODEL_BYTES = 2_000_000_000
"""Models with smaller weights get the prompt 'small': about a billion parameters of two bytes."""

_SLICES, _SLICE_BYTES = 32, 1 << 16
_SETTINGS_THAT_CHANGE_ANSWERS = (
    "dtype", "quantization", "quantization_config", "kv_cache_dtype", "calculate_kv_scales", "hf_overrides", "revision", "tokenizer", "tokenizer_revision",
    "rope_scaling", "speculative_config", "structured_outputs_config",
)  # fmt: skip


class Teacher(NamedTuple):
    """A model with a prompt and a way of decoding, told from every other by `version`."""

    model: str
    fingerprint: str
    prompt: Prompt
    decoding: str
    version: str


def find_teacher(config: TeacherConfig) -> Teacher:
    """The teacher of these settings; its model's files must be there, or its endpoint, but nothing is loaded. A distilled one brings its prompt. Raises TeacherError, ConfigError."""
    if config.engine == "openai":
        return _teacher_at_endpoint(config)
    weights = _files(config.model, config.vllm.get("revision"))
    card = read_card(weights[0].parent)
    prompt = card.prompt if card and config.prompt is None else load_prompt(config.prompt or _prompt_by_size(weights))
    return _teacher(card.name if card else config.model, _fingerprint(weights), prompt, _decoding(config, prompt))


def _prompt_by_size(weights: list[Path]) -> str:
    return "small" if sum(path.stat().st_size for path in weights if path.suffix != ".json") < SMALL_MODEL_BYTES else "chat"


def _teacher_at_endpoint(config: TeacherConfig) -> Teacher:
    """The teacher is the name of the model, and what the endpoint tells of it: its weights are not to be seen. Where the endpoint stands does not matter."""
    from teacher.engines.openai_engine import served_model

    prompt, endpoint = load_prompt(config.prompt or "chat"), config.openai
    told = json.dumps([config.model, served_model(config.model, endpoint)], sort_keys=True)
    asked: dict[str, Any] = {"answer_shape": endpoint.answer_shape, "body": endpoint.model_dump(mode="json")["body"]}
    context = f" of {config.max_model_tokens}" if endpoint.tokenizer else ""
    decoding = f"greedy, {_answer_tokens(prompt)}{context} tokens, endpoint, {ANSWERS_VERSION}, {json.dumps(asked, sort_keys=True)}"
    return _teacher(config.model, hashlib.sha256(told.encode()).hexdigest()[:16], prompt, decoding)


def _teacher(model: str, fingerprint: str, prompt: Prompt, decoding: str) -> Teacher:
    identity = [fingerprint, prompt.prompt_version, RENDERING_VERSION, decoding]
    version = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    return Teacher(model, fingerprint, prompt, decoding, version)


def model_folder(config: TeacherConfig, fingerprint: str, cache_dir: str) -> str:
    """The folder that vLLM loads; the small model of a wheel is converted at the first call."""
    if config.model in FILES_IN_WHEELS:
        return str(converted_folder(config.model, fingerprint, cache_dir))
    return str(_folder(config.model, config.vllm.get("revision")))


def _files(model: str, revision: str | None) -> list[Path]:
    """The files that make a model what it is, in the order of their names."""
    if model in FILES_IN_WHEELS:
        return [wheel_file(model)]
    folder = _folder(model, revision)
    found = sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin", ".gguf", ".json", ".jinja"))
    if not any(path.suffix in (".safetensors", ".bin", ".gguf") for path in found):
        raise TeacherError(f"teacher.model: {folder} holds no weights (*.safetensors); expected the folder of a model")
    return found


def _folder(model: str, revision: str | None) -> Path:
    """A local folder as it is, a hub name as the folder of its download at a revision."""
    path = Path(model_path(model))
    if path.is_dir():
        return path
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(model, revision=revision, allow_patterns=["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model"]))
    except Exception as error:
        raise TeacherError(f"teacher.model: {model!r} is no folder, and no model hub gives it: {type(error).__name__}: {error}") from error


def _fingerprint(files: list[Path]) -> str:
    """Hash of names, sizes and evenly spread slices of the files: other weights differ nearly everywhere, and a large model is told in seconds."""
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        digest.update(f"{path.name}\x1f{size}\x1f".encode())
        with path.open("rb") as file:
            for number in range(_SLICES):
                file.seek(max(0, size - _SLICE_BYTES) * number // (_SLICES - 1))
                digest.update(file.read(_SLICE_BYTES))
    return digest.hexdigest()[:16]


def _decoding(config: TeacherConfig, prompt: Prompt) -> str:
    settings: dict[str, Any] = {name: config.vllm[name] for name in _SETTINGS_THAT_CHANGE_ANSWERS if name in config.vllm}
    context = config.vllm.get("max_model_len", config.max_model_tokens)  # by it long texts are cut, or are too long
    return f"greedy, {_answer_tokens(prompt)} of {context} tokens, {config.dtype or 'default'} weights, {ANSWERS_VERSION}" + (
        f", {json.dumps(settings, sort_keys=True)}" if settings else ""
    )


def _answer_tokens(prompt: Prompt) -> str:
    return f"{prompt.specific_tokens}+{prompt.broad_tokens}" if prompt.style == "completion" else str(prompt.specific_tokens)
