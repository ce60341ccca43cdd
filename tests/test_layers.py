"""The import rule: pipeline -> stages -> lake -> conf; stages never import each other."""

import subprocess
import sys
from pathlib import Path


def test_imports_point_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter], cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
