"""A model in pieces: of every weight, its gradient and its optimizer state a process holds its share, where Accelerate's configuration asks for FSDP2.

The pieces of a layer meet right before it computes and part right after it, so all processes go through the model equally often, forward and backward: what has
fewer texts goes with stand-ins that nothing is learnt from (`towers.passes_together`). Gradients are summed in float32 and not averaged: the loss is already that of
all processes. Checkpoints and the encoder that is registered have whole tensors. On one process there is nothing to part.

On a GPU Accelerate hands its settings through by itself; on CPUs it drops them, and here they are kept, so that what is tested is what trains.
Source: https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import FullyShardedDataParallelPlugin, parse_flag_from_env
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.fsdp.wrap import size_based_auto_wrap_policy
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn import Parameter

from conf.errors import ConfigError
from trainer.config import TrainingConfig
from trainer.fingerprint import uses_bf16

_REFUSED = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed", "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM", "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism_config",
}  # fmt: skip
"""What accelerate launch sets in the environment -> what of its configuration that is."""
_CALLED = "kindred_call"
"""Method of a sharded transformer that sentence-transformers calls in the place of `forward`."""


def sharding_asked(config: TrainingConfig) -> FullyShardedDataParallelPlugin | None:
    """How accelerate's configuration has the model sharded; None where every process is to hold all of it. Raises ConfigError for what cannot be trained with."""
    for name, asked in _REFUSED.items():
        if parse_flag_from_env(name):
            raise _refusal(asked)
    if os.environ.get("ACCELERATE_DYNAMO_BACKEND", "no").lower() != "no":
        raise _refusal("torch.compile (dynamo_backend)")
    if not parse_flag_from_env("ACCELERATE_USE_FSDP"):
        return None
    if os.environ.get("FSDP_VERSION", "1") != "2":
        raise _refusal("FSDP1")
    arithmetic = MixedPrecisionPolicy(param_dtype=torch.bfloat16 if uses_bf16(config) else None, reduce_dtype=torch.float32)
    # Without the last one transformers would load weights on the first process alone.
    plugin = FullyShardedDataParallelPlugin(mixed_precision_policy=arithmetic, cpu_ram_efficient_loading=False)
    unsupported = {
        "fsdp_offload_params": isinstance(plugin.cpu_offload, CPUOffloadPolicy),
        "fsdp_activation_checkpointing": plugin.activation_checkpointing,
        "fsdp_auto_wrap_policy SIZE_BASED_WRAP": plugin.auto_wrap_policy is size_based_auto_wrap_policy,
        "fsdp_ignored_modules": plugin.ignored_modules is not None,
    }
    for asked, is_asked in unsupported.items():
        if is_asked:
            raise _refusal(asked)
    return plugin


def _refusal(asked: str) -> ConfigError:
    return ConfigError(
        f"accelerate's configuration asks for {asked}, with which this trainer does not train; expected FSDP2 by layers (accelerate launch --use_fsdp "
        "--fsdp_version 2), or processes that each hold the whole model: choose so in 'accelerate config'"
    )


def shard(model: SentenceTransformer, accelerator: Accelerator) -> None:
    """Leave this process its piece of every parameter, in place, where Accelerate is told so; all processes shard the same model at once, on their devices.

    Each layer is gathered by itself, the table of tokens too. Parameters that were taken from the model before are none of it any more.
    """
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is None or accelerator.num_processes == 1:
        return
    transformer: Any = model[0].auto_model
    options = {"reshard_after_forward": plugin.reshard_after_forward, "mp_policy": plugin.mixed_precision_policy}
    names = set(plugin.transformer_cls_names_to_wrap or layer_classes(transformer))
    layers = [module for module in transformer.modules() if type(module).__name__ in names]
    if missing := names - {type(layer).__name__ for layer in layers}:
        raise ConfigError(
            f"accelerate's fsdp_transformer_layer_cls_to_wrap: {type(transformer).__name__} has no {', '.join(sorted(missing))}; leave it out, or name "
            f"{', '.join(sorted(layer_classes(transformer)))}"
        )
    for module in (transformer.get_input_embeddings(), *reversed(layers), transformer):
        fully_shard(module, **options)
    for module in (module for after in list(model)[1:] for module in after.modules() if list(module.parameters(recurse=False))):
        try:
            fully_shard(module, **options)
        except TypeError:  # a module of sentence-transformers can have no other class
            raise ConfigError(
                f"FSDP2: the weights that {type(module).__name__} holds cannot be sharded; train on processes that each hold the whole model"
            ) from None
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)
    _call_with_hooks(model)


def layer_classes(transformer: nn.Module) -> set[str]:
    """Names of the classes of a transformer's layers: what its longest list, by parameters, consists of; none where it has no list."""
    lists = [module for module in transformer.modules() if isinstance(module, nn.ModuleList)]
    longest = max(lists, key=lambda each: sum(parameter.numel() for parameter in each.parameters()), default=nn.ModuleList())
    return {type(layer).__name__ for layer in longest}


def is_sharded(model: SentenceTransformer) -> bool:
    """Whether this process holds pieces of the model alone."""
    return isinstance(model[0].auto_model, FSDPModule)


def largest(number: int, model: SentenceTransformer, accelerator: Accelerator) -> int:
    """The largest of the processes' numbers where they share the model and have to do the same; else this process's own."""
    if not is_sharded(model):
        return number
    found = torch.tensor(int(number), device=accelerator.device)
    torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
    return int(found)


def clip_gradients(parameters: Iterable[Parameter], max_norm: float) -> float:
    """The norm of all gradients together, of whole ones where processes hold pieces; longer ones are clipped to it, in place. Not finite where one of them is not."""
    clipped = list(parameters)
    norm = whole(torch.nn.utils.get_total_norm([each.grad for each in clipped if each.grad is not None]))
    torch.nn.utils.clip_grads_with_norm_(clipped, max_norm, norm)
    return float(norm)


def whole(tensor: Tensor) -> Tensor:
    """A tensor as it is when no process holds pieces of it. All processes ask at once."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def piece(tensor: Tensor, like: Tensor) -> Tensor:
    """What this process holds of a whole tensor, if of `like` it holds a piece; else all of it."""
    return distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None) if isinstance(like, DTensor) else tensor


def gathered(tensors: Mapping[str, Tensor], *, keep: bool) -> dict[str, Tensor]:
    """Whole tensors as they can be written: on the CPU, contiguous, sharing no memory. Nothing where they are not to be kept; all processes gather at once."""
    found = {}
    for name, tensor in tensors.items():
        each = whole(tensor.detach())
        if keep:
            found[name] = each.cpu().clone(memory_format=torch.contiguous_format)
    return found


def all_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, each once."""
    return dict(model.named_parameters()) | dict(model.named_buffers())


def whole_model(model: SentenceTransformer, make: Callable[[], SentenceTransformer], *, keep: bool) -> SentenceTransformer | None:
    """The model itself where no process holds pieces of it; else one that `make` makes like it, with all its weights. None where it is not to be kept; all processes
    ask at once."""
    if not is_sharded(model):
        return model if keep else None
    made = make() if keep else None
    into = {} if made is None else all_tensors(made)
    with torch.no_grad():
        for name, tensor in all_tensors(model).items():
            each = whole(tensor)
            if keep:
                into[name].copy_(each)
    return made


def _call_with_hooks(model: SentenceTransformer) -> None:
    """Let sentence-transformers call the transformer as a module, in place. It calls `forward` by its name, past the hooks that gather the outermost pieces."""
    first: Any = model[0]
    transformer = first.auto_model

    @wraps(transformer.forward)  # what it is called with is read off the signature
    def call(*args: Any, **inputs: Any) -> Any:
        return transformer(*args, **inputs)

    setattr(transformer, _CALLED, call)
    first.modality_config = {name: each | {"method": _CALLED} if each["method"] == "forward" else each for name, each in first.modality_config.items()}
