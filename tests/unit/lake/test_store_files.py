"""What a process waits for at its end."""

import subprocess
import sys

HELD = """
import os, sys, time
from lake import store_files
class File:
    pass
file = File()
store_files._held.add(file)
store_files.LAST_WAIT = 2.0
child = os.fork()
began = time.monotonic()
if child == 0:
    sys.exit(5)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), time.monotonic() - began < 1.5, flush=True)
raise ValueError("the job failed")
"""


def test_a_process_that_holds_files_keeps_its_exit_code_and_its_children_wait_for_nothing() -> None:
    ended = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.split()) == (1, ["5", "True"]), ended.stderr
    assert ended.stderr.rstrip().endswith("ValueError: the job failed")
