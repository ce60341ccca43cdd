"""Scripts and modules on several processes of this machine."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def on_processes(count: int, *words: str) -> subprocess.CompletedProcess[str]:
    """What became of a script (or '-m', module) and its arguments. On CPUs it is torchrun that starts several processes: accelerate launch does so on GPUs alone."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    launch = ["-m", "torch.distributed.run", "--nproc_per_node", str(count), "--master_addr", "127.0.0.1", "--master_port", port] if count > 1 else []
    return subprocess.run([sys.executable, *launch, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
