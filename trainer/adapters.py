"""Adapters: low-rank additions to the linear layers of a transformer, trained alone and then merged into its weights.

Source: Hu et al. 2021, https://arxiv.org/abs/2106.09685; by the library peft.
"""

from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from conf.errors import ConfigError
from trainer.config import TrainingConfig


def add_adapters(model: SentenceTransformer, config: TrainingConfig, rank: int) -> None:
    """Give linear layers of the transformer adapters, in place, and let them alone have gradients; vectors stay what they are.

    Drawn from `trainer.seed`, so that all processes have the same. Raises ConfigError where no layer is called as `trainer.lora_targets` says.
    """
    from peft import LoraConfig, inject_adapter_in_model

    transformer: Any = model[0].auto_model
    targets = linear_layers(transformer, config.lora_targets)
    model.requires_grad_(False)
    settings = LoraConfig(r=rank, lora_alpha=config.lora_alpha or 2 * rank, target_modules=targets)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        inject_adapter_in_model(settings, transformer)


def linear_layers(transformer: nn.Module, names: list[str] | None = None) -> list[str]:
    """Full names of a transformer's linear layers, those of its unused pooler left out; with `names` those that end so. Raises ConfigError where there is none."""
    linear = [name for name, module in transformer.named_modules() if isinstance(module, nn.Linear) and not name.startswith("pooler.")]
    found = [name for name in linear if names is None or any(name == each or name.endswith(f".{each}") for each in names)]
    if not found:
        endings = sorted({name.rpartition(".")[2] for name in linear})
        raise ConfigError(f"trainer.lora_targets {names}: no linear layer of {type(transformer).__name__} is called so; it has {', '.join(endings)}")
    return found


def merge_adapters(model: SentenceTransformer) -> None:
    """Add adapters to the weights that they stand beside, in place, and take them away; a model without any stays what it is."""
    from peft.tuners.lora import LoraLayer

    transformer: Any = model[0].auto_model
    for name, layer in list(transformer.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge(safe_merge=True)
            parent, _, own_name = name.rpartition(".")
            setattr(transformer.get_submodule(parent), own_name, layer.get_base_layer())
    if hasattr(transformer, "peft_config"):
        del transformer.peft_config
    model.requires_grad_(True)
