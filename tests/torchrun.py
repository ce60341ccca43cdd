"""Scripts and modules on several processes of this machine."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def on_processes(count: int, *words: str) -> subprocess.CompletedProcess[str]:
    """What became of a script (or '-m', module) and its arguments. On CPUs it is torchrun that starts several processes: accelerate launch does so on GPUs, and where FSDP
    is asked for."""
    launch = ["-m", "torch.distributed.run", "--nproc_per_node", str(count), "--master_addr", "127.0.0.1", "--master_port", free_port()] if count > 1 else []
    return _run(*launch, *words)


def on_sharing_processes(*words: str) -> subprocess.CompletedProcess[str]:
    """What became of a script (or '--module', module) and its arguments on two processes that accelerate launch starts, with FSDP2 unless a '--config_file' says otherwise."""
    fsdp = [] if "--config_file" in words else ["--use_fsdp", "--fsdp_version", "2", "--num_processes", "2"]
    return _run("-m", "accelerate.commands.launch", "--main_process_port", free_port(), *fsdp, *words)


def free_port() -> str:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
