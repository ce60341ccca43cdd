"""The command line: words find their command, errors become one line, and nothing heavy is imported for help."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from conf.errors import ConfigError
from lake.catalog import TABLES
from pipeline import cli
from pipeline.commands import COMMANDS, Command, find_command

ROOT = Path(__file__).parents[3]


def test_longest_words_win_and_the_rest_are_arguments() -> None:
    found = find_command(["etl", "units", "--lake", "x"])
    assert found is not None
    assert (found[0].words, list(found[1])) == ("etl units", ["--lake", "x"])
    assert find_command(["etl", "unit"]) is None


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_every_command_has_a_main_and_a_job_says_what_it_takes(command: Command) -> None:
    module, (stage, is_job, job) = import_module(command.module), command.module.partition(".jobs.")
    assert callable(module.main)
    assert not is_job or (callable(module.run_job) and callable(getattr(import_module(f"{stage}.arguments"), job)))


def test_every_table_is_written_by_a_command() -> None:
    assert {name for spec in TABLES.values() for name in spec.written_by} <= {command.words for command in COMMANDS}
    assert [name for name, spec in TABLES.items() if not spec.written_by] == ["identities"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["etl", "unit"], "etl units"),
        (["elt", "units"], "etl units"),
        (["ingest"], "etl ingest"),
        (["ETL", "Units"], "etl units"),
        (["check-confg", "x"], "check-config"),
    ],
)
def test_unknown_command_is_told_what_was_meant(capsys: pytest.CaptureFixture[str], typed: list[str], meant: str) -> None:
    assert cli.main(typed) == 2
    said = capsys.readouterr().err
    assert f"no command {' '.join(typed)!r}; did you mean 'kindred {meant}'?" in said
    assert f"kindred {meant}" in said.partition("usage")[2]


def test_group_alone_shows_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["etl"]) == 2
    assert "no command" not in (shown := capsys.readouterr().err)
    assert cli.main(["etl", "--help"]) == 0
    assert capsys.readouterr().out == shown
    assert "kindred etl units" in shown
    assert "teacher" not in shown


def test_our_own_error_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("etl: {unitz_per_chunk: 3}")
    assert cli.main(["check-config", str(tmp_path / "wrong.yaml")]) == 1
    assert capsys.readouterr().err == f"kindred check-config: {tmp_path / 'wrong.yaml'}: unknown key etl.unitz_per_chunk; did you mean 'units_per_chunk'?\n"


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda path: path.name)
def test_configurations_that_ship_are_fine(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check-config", str(path)]) == 0


def test_stage_that_is_not_installed_says_which_extra() -> None:
    with pytest.raises(ConfigError, match=r"install kindred\[etl\]"):
        Command("etl x", "no_such_package", "", "etl").run([])


def test_trainer_needs_no_spark_and_etl_no_torch() -> None:
    """Import each stage's jobs with the other stages' heavy packages blocked."""
    blocked = {
        "etl": ("torch", "sentence_transformers", "transformers", "mlflow", "vllm", "pymilvus"),
        "teacher": ("pyspark", "delta", "mlflow", "pymilvus", "sentence_transformers"),
        "trainer": ("pyspark", "delta", "vllm", "pymilvus"),
        "serving": ("pyspark", "delta", "vllm"),
    }
    for stage, packages in blocked.items():
        modules = [f"{stage}.jobs.{path.stem}" for path in (ROOT / stage / "jobs").glob("[a-z]*.py")]
        code = f"import sys, importlib\nfor name in {packages!r}: sys.modules[name] = None\nfor name in {modules!r}: importlib.import_module(name)"
        result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{stage}: {result.stderr[-2000:]}"
