"""Which engine answers, and what counts the tokens of its prompts, as the settings say."""

from conf.errors import ConfigError
from lake.config import LakeConfig
from teacher.config import TeacherConfig
from teacher.engine import JudgingEngine
from teacher.engines.tokens import PromptTokens, load_tokens
from teacher.identity import Teacher, model_folder


def start_engine(lake: LakeConfig, config: TeacherConfig, teacher: Teacher) -> JudgingEngine:
    """The engine of `teacher.engine`, with the teacher's model. Raises TeacherError, ConfigError."""
    if config.engine == "openai":
        from teacher.engines.openai_engine import OpenAiEngine

        tokens = prompt_tokens(lake, config, teacher) if config.openai.tokenizer else None
        return OpenAiEngine(config.model, config.openai, tokens)
    from teacher.engines.vllm_engine import VllmEngine

    folder = model_folder(config, teacher.fingerprint, lake.cache_dir)
    return VllmEngine(folder, config.max_model_tokens, config.dtype, config.kv_cache_gigabytes, config.vllm)


def prompt_tokens(lake: LakeConfig, config: TeacherConfig, teacher: Teacher) -> PromptTokens:
    """The tokenizer of the teacher's model; no weights are read. Raises ConfigError where an endpoint's is not named."""
    if config.engine == "openai":
        if config.openai.tokenizer is None:
            raise ConfigError("teacher.openai.tokenizer: not set; name the folder or hub name of the model's tokenizer, by which tokens are counted")
        return load_tokens(config.openai.tokenizer, config.max_model_tokens)
    folder = config.vllm.get("tokenizer") or model_folder(config, teacher.fingerprint, lake.cache_dir)
    return load_tokens(folder, int(config.vllm.get("max_model_len", config.max_model_tokens)))
