"""What of accelerate's configuration the trainer takes, and which layers of a model are gathered one by one."""

import pytest
import torch
from transformers import AutoModel, BertConfig, DistilBertConfig, ModernBertConfig, MPNetConfig, Qwen3Config

from conf.errors import ConfigError
from trainer.config import TrainingConfig
from trainer.training.loop import make_accelerator
from trainer.training.sharding import layer_classes, sharding_asked

FSDP2 = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
SMALL = {"vocab_size": 40, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}


def asked(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ACCELERATE_USE_FSDP": "true"}, "FSDP1"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1"}, "FSDP1"),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "DeepSpeed"),
        ({"ACCELERATE_USE_MEGATRON_LM": "true"}, "Megatron-LM"),
        (FSDP2 | {"ACCELERATE_USE_PARALLELISM_CONFIG": "true"}, "a parallelism_config"),
        (FSDP2 | {"ACCELERATE_DYNAMO_BACKEND": "INDUCTOR"}, "torch.compile"),
        (FSDP2 | {"FSDP_OFFLOAD_PARAMS": "true"}, "fsdp_offload_params"),
        (FSDP2 | {"FSDP_ACTIVATION_CHECKPOINTING": "true"}, "fsdp_activation_checkpointing"),
        (FSDP2 | {"FSDP_AUTO_WRAP_POLICY": "SIZE_BASED_WRAP"}, "fsdp_auto_wrap_policy SIZE_BASED_WRAP"),
        (FSDP2 | {"FSDP_IGNORED_MODULES": "embeddings"}, "fsdp_ignored_modules"),
    ],
)
def test_what_cannot_be_trained_with_is_refused(settings: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, settings)
    with pytest.raises(ConfigError, match=rf"asks for {named}.*; expected FSDP2 by layers"):
        make_accelerator(TrainingConfig(precision="full"))


def test_weights_are_summed_in_float32_and_computed_with_by_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sharding_asked(TrainingConfig(precision="full")) is None
    asked(monkeypatch, FSDP2 | {"ACCELERATE_DYNAMO_BACKEND": "NO", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true", "FSDP_RESHARD_AFTER_FORWARD": "false"})
    for precision, computed in (("full", None), ("bf16", torch.bfloat16)):
        plugin = sharding_asked(TrainingConfig(precision=precision))
        assert plugin is not None
        assert (plugin.mixed_precision_policy.param_dtype, plugin.mixed_precision_policy.reduce_dtype) == (computed, torch.float32)
        assert plugin.reshard_after_forward is False
        assert not plugin.cpu_ram_efficient_loading, "each process loads the base, since each keeps its own piece of it"


@pytest.mark.parametrize(
    ("config", "layer"),
    [
        (BertConfig(**SMALL), "BertLayer"),
        (ModernBertConfig(**SMALL, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2), "ModernBertEncoderLayer"),
        (Qwen3Config(**SMALL, num_key_value_heads=2, head_dim=4), "Qwen3DecoderLayer"),
        (MPNetConfig(**SMALL), "MPNetLayer"),
        (DistilBertConfig(vocab_size=40, dim=8, hidden_dim=8, n_layers=2, n_heads=2), "TransformerBlock"),
    ],
)
def test_layers_are_found_without_the_table_of_tokens(config: object, layer: str) -> None:
    model = AutoModel.from_config(config)
    assert layer_classes(model) == {layer}
    table = model.get_input_embeddings()
    assert not [module for module in model.modules() if type(module).__name__ == layer and table in module.modules()]


def test_a_model_without_a_list_of_layers_is_gathered_as_one() -> None:
    assert layer_classes(torch.nn.Linear(2, 2)) == set()
