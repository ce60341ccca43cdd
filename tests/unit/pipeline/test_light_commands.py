"""What no command needs Spark, Arrow or a model for: help, and telling what is wrong or absent. And whoever fails so leaves nothing behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lake import arrow_tables
from lake.catalog import TABLES
from lake.config import LakeConfig
from lake.job_runs import JOB_RUNS
from pipeline import cli
from pipeline.commands import COMMANDS

ROOT = Path(__file__).parents[3]
HEAVY = {"pyspark", "delta", "torch", "transformers", "sentence_transformers", "vllm", "mlflow", "pymilvus", "pandas", "pyarrow", "deltalake", "numpy"}
TABLES_ALONE, FILES_ALONE = {"deltalake"}, {"pyarrow", "numpy", "deltalake"}
REQUIRED = {
    "run": ["--dump", "dump"],
    "etl ingest": ["--dump", "dump"],
    "etl thread": ["reddit:t1_a"],
    "etl user": ["somebody"],
    "teacher import-labels": ["labels.jsonl"],
    "teacher import-items": ["labels.jsonl"],
    "trainer merge": ["1"],
    "trainer compare": ["1", "2"],
    "trainer ablate": ["variants.yaml"],
    "serving similar-users": ["--user", "somebody"],
    "serving recommend": ["--user", "somebody"],
    "serving audience": ["words"],
    "erase": ["--user", "somebody"],
    "user-id": ["reddit", "somebody"],
}
WORDS = [command.words for command in COMMANDS]
OF_A_LAKE = [words for words in WORDS if words != "check-config"]
# Each command line in turn, in one process: what it says, and what it has imported by then of the packages asked about.
PROGRAM = """
import contextlib, io, json, sys
from pipeline import cli
heavy, found = set(json.loads(sys.argv[1])), []
for arguments in json.loads(sys.argv[2]):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            status = cli.main(arguments)
        except SystemExit as end:
            status = end.code
    found.append({"arguments": arguments, "status": status, "said": said.getvalue(), "imported": sorted(heavy & set(sys.modules))})
print(json.dumps(found))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to work in: a dump of one file, one without any, labels, and a wrong configuration."""
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "RC_2006-01").write_text('{"id": "a"}\n')
    (tmp_path / "empty").mkdir()
    (tmp_path / "labels.jsonl").write_text('{"unit_id": "reddit:t1_a", "specific": "Cold brewing tea", "broad": "Tea"}\n')
    (tmp_path / "wrong.yaml").write_text("etl: {unitz_per_chunk: 3}")
    return tmp_path


def ran(folder: Path, command_lines: list[list[str]]) -> list[dict]:
    """What came of command lines in a fresh process, which must leave the folder as it was."""
    before = tree(folder)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)}  # no key of this account is found, and one that is made is seen
    environment.pop("KINDRED_PSEUDONYM_KEY", None)
    command = [sys.executable, "-c", PROGRAM, json.dumps(sorted(HEAVY)), json.dumps(command_lines)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert tree(folder) == before
    return json.loads(done.stdout)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below, with the files' bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def with_words(words: str, *more: str) -> list[str]:
    return [*words.split(), *REQUIRED.get(words, []), *more]


def test_help_imports_nothing_heavy(folder: Path) -> None:
    for result in ran(folder, [["--help"], ["etl", "--help"], *([*words.split(), "--help"] for words in WORDS)]):
        assert (result["status"], result["imported"]) == (0, []), result
        assert "usage: kindred" in result["said"]


def test_wrong_settings_are_told_without_anything_heavy(folder: Path) -> None:
    stages = {"run": "etl", "user-id": "lake"}
    lines = [with_words(words, "--lake", "typo", "--set", f"{stages.get(words, words.split()[0])}.pathh=1") for words in OF_A_LAKE]
    lines += [with_words(words, "--config", name) for words in OF_A_LAKE for name in ("absent.yaml", "dump")]
    for result in ran(folder, [*lines, ["check-config", "wrong.yaml"], ["check-config", "absent.yaml"]]):
        assert result["status"] == 1, result
        assert set(result["imported"]) == set(), result


def test_a_lake_that_is_not_there_is_told_without_spark_and_not_made(folder: Path) -> None:
    """`run`, `etl ingest` would make it, `user-id` needs none."""
    (folder / "file").write_text("no folder")
    needing = [words for words in OF_A_LAKE if words not in ("run", "etl ingest", "user-id")]
    lines = [with_words(words, "--lake", lake) for words in needing for lake in ("typo", "dump", "file")]
    for result in ran(folder, lines):
        assert result["status"] == 1, result
        assert "kindred " in result["said"].partition(": ")[2], result  # which command writes what is absent
        assert set(result["imported"]) <= TABLES_ALONE, result


def test_a_dump_that_cannot_be_ingested_is_told_without_spark_and_makes_no_lake(folder: Path) -> None:
    wrong = {
        "no such folder": ["--dump", "absent"],
        "no files of platform 'reddit'": ["--dump", "empty"],
        "did you mean 'reddit'": ["--dump", "dump", "--platform", "redit"],
        "did you mean 'takeout'": ["--dump", "dump", "--set", "etl.platforms.takeou.account=x"],
        "did you mean 'account'": ["--dump", "dump", "--platform", "takeout", "--set", "etl.platforms.takeout.acount=x"],
        "digests cannot be read": ["--dump", "dump", "--sha256", "absent"],
        "wrong.yaml, line 1": ["--dump", "dump", "--sha256", "wrong.yaml"],
    }
    lines = [[*words.split(), *arguments, "--lake", "typo"] for words in ("etl ingest", "run") for arguments in wrong.values()]
    for (said, _), result in zip([*wrong.items(), *wrong.items()], ran(folder, lines), strict=True):
        assert (result["status"], said in result["said"]) == (1, True), result
        assert set(result["imported"]) <= FILES_ALONE, result


def test_other_absent_inputs_are_told_and_make_nothing(folder: Path) -> None:
    wrong = {
        "absent.jsonl: cannot read the labels": ["teacher", "import-labels", "absent.jsonl"],
        "dump: cannot read the labels": ["teacher", "import-labels", "dump"],
        "absent.csv: cannot read the items": ["teacher", "import-items", "absent.csv", "--set", "teacher.catalogue={name: films, id: id, text: [title]}"],
        "teacher.catalogue: not set": ["teacher", "import-items", "labels.jsonl"],
        "kindred run: absent.jsonl: cannot read the labels": ["run", "--dump", "dump", "--labels", "absent.jsonl"],
        "did you mean 'reddit'": ["user-id", "redit", "somebody"],
        "no pseudonym key": ["user-id", "reddit", "somebody"],
        "expected PLATFORM:NAME": ["serving", "similar-users", "--name", "somebody"],
    }
    (folder / "typo" / "_local").mkdir(parents=True)
    (folder / "typo" / "_local" / "milvus.db").touch()
    for said, result in zip(wrong, ran(folder, [[*arguments, "--lake", "typo"] for arguments in wrong.values()]), strict=True):
        assert (result["status"], said in result["said"]) == (1, True), result
        assert set(result["imported"]) <= FILES_ALONE, result


def test_an_object_store_without_a_tracking_server_is_told_what_it_lacks(folder: Path) -> None:
    (result,) = ran(folder, [["serving", "audience", "words", "--lake", "memory://lake"]])
    assert (result["status"], "lake.mlflow_uri: the lake memory://lake is no local folder" in result["said"]) == (1, True), result


def test_on_a_lake_that_is_there_who_reads_or_lacks_something_changes_nothing(folder: Path) -> None:
    for name in ("acts", "units", "sequences", "labels", "items", "examples", "user_vectors", "item_vectors"):
        arrow_tables.create_table(LakeConfig(path=str(folder / "lake")), TABLES[name])
    wrong = {
        "no act of this id": ["etl", "thread", "reddit:t1_a"],
        "no history in `sequences`": ["etl", "user", "somebody"],
        "no such folder": ["etl", "report", "--out", "absent/page.html"],
        "cannot read the labels": ["teacher", "import-labels", "absent.jsonl"],
        "no registry, and so no encoder": ["trainer", "evaluate"],
        "mlflow.db: no registry, and so no encoder": ["trainer", "merge", "1"],
        "expected 2 numbers above 0": ["trainer", "merge", "1", "2", "--weights", "1"],
        "absent/encoder: no such folder": ["trainer", "merge", "absent/encoder"],
        "absent/other: no such folder": ["trainer", "evaluate", "absent/other"],
        "expected two encoders or more": ["trainer", "compare", "1"],
        "expected a share from 0 to below 1": ["trainer", "merge", "1", "--with-base", "1"],
        "it is written by 'kindred trainer train'": ["serving", "embed"],
        "mlflow.db: no registry": ["serving", "load"],
        "no encoder": ["serving", "audience", "words"],
        "no Milvus Lite": ["serving", "similar-users", "--user", "somebody"],
        "load vectors with 'kindred serving load'": ["serving", "recommend", "--user", "somebody"],
        "did you mean 'reddit'": ["user-id", "redit", "somebody"],
    }
    for said, result in zip(wrong, ran(folder, [[*arguments, "--lake", "lake"] for arguments in wrong.values()]), strict=True):
        assert (result["status"], said in result["said"]) == (1, True), result
        assert set(result["imported"]) <= FILES_ALONE | {"pandas"}, result  # Arrow brings pandas where rows are read


def test_an_ingest_that_fails_is_kept_with_a_lake_that_is_there(folder: Path) -> None:
    lake = LakeConfig(path=str(folder / "lake"))
    arrow_tables.create_table(lake, TABLES["acts"])
    assert cli.main(["etl", "ingest", "--dump", str(folder / "absent"), "--lake", lake.path]) == 1
    (run,) = arrow_tables.read(lake, JOB_RUNS).to_pylist()
    assert (run["job"], run["status"]) == ("etl ingest", "failed")
