"""`kindred erase` on a small lake that all stages made: nothing is left, nobody else loses anything, jobs go on, and nobody comes back."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pyarrow.parquet as pq
import pytest
from erasure_lake import (
    CANARY,
    COMMENTS,
    GONE,
    GONE_TOO,
    arguments,
    comment,
    make_lake,
    rows_by_key,
    run_after_etl,
    run_etl,
    submission,
    user_id,
    write_dump,
    write_labels,
)  # fmt: skip
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException
from pyspark.sql import SparkSession

from etl.jobs import ingest, units
from lake import arrow_tables, registry, spark_tables
from lake.acts import ACTS, INGESTED_FILES
from lake.catalog import TABLES
from lake.config import LakeConfig
from lake.job_runs import JOB_RUNS, last_done_run
from lake.units import IDENTITIES, SEQUENCES, UNITS
from pipeline import cli
from serving.config import ServingConfig
from serving.jobs.load import load
from serving.milvus import open_store
from trainer import tracking

THREAD = ("reddit:t1_kod0010", "reddit:t1_kod0012", "reddit:t1_kod0013", "reddit:t1_kod0031")
"""Acts of others with words of the person in their context."""
IN_PLACE = "reddit:t1_kod0050"
"""An act of another on the person's profile."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, key_file: str, spark_settings: LakeConfig) -> LakeConfig:
    """The lake, which no test changes; MLflow keeps people and a page of an evaluation that never was."""
    if SparkSession.getActiveSession() is None:
        from lake.spark_tables import start_session

        start_session("tests", spark_settings)
    folder = tmp_path_factory.mktemp("made")
    lake = LakeConfig(path=str(folder / "lake"), pseudonym_key_file=key_file)
    make_lake(lake, folder)
    with tracking.evaluation_run({"encoder_version": "e", "people": 2}, {}) as run_id:
        shown = [{"person_id": user_id(lake, GONE), "newest": []}, {"person_id": "b", "newest": [{"words": "rye"}]}]
        tracking.log_shown_people(shown)
        tracking.log_evaluation({"recall": 0.5, "levels": ["specific"]})
        tracking.keep_page(run_id, "e", f"<p>It smells of {CANARY} and I want to know whether that is right</p>")
        tracking.keep_page(run_id, "f", "<p>Bread &amp; rye</p>")
    return lake


@pytest.fixture
def lake(made: LakeConfig, tmp_path: Path, spark: SparkSession) -> LakeConfig:
    """A copy that a test may change."""
    shutil.copytree(made.path, tmp_path / "lake")
    return made.model_copy(update={"path": str(tmp_path / "lake")})


@pytest.fixture
def tables_alone(lake: LakeConfig) -> LakeConfig:
    """The same without registry and index, which cost time."""
    shutil.rmtree(lake.local_dir())
    return lake


def erase(lake: LakeConfig, *words: str) -> int:
    return cli.main(["erase", *words, *arguments(lake)])


@contextmanager
def milvus_server(folder: Path) -> Iterator[str]:
    """URI of a Milvus Lite that a process of its own serves, as a server is asked."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = f"from milvus_lite.adapter.grpc.server import run_server; run_server({str(folder)!r}, '127.0.0.1', {port})"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        uri, until = f"http://127.0.0.1:{port}", time.monotonic() + 60
        while True:
            try:
                MilvusClient(uri, timeout=5).list_collections()
                break
            except MilvusException:
                assert time.monotonic() < until
                time.sleep(0.2)
        yield uri
    finally:
        process.terminate()
        process.wait(20)


def all_rows(lake: LakeConfig) -> dict[str, dict[tuple[Any, ...], dict[str, Any]]]:
    return {name: rows_by_key(lake, spec) for name, spec in TABLES.items() if name not in ("job_runs", "erasures")}


def files_with(folder: str, *words: str) -> list[str]:
    """Files below a folder that have any of the words, however they are kept; weights and words of tokenizers aside."""
    found = []
    for path in (path for path in Path(folder).rglob("*") if path.is_file() and not {path.suffix, path.name} & {".safetensors", "tokenizer.json"}):
        content = str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else path.read_bytes().decode("utf-8", "replace")
        if any(word.lower() in content.lower() for word in words):
            found.append(str(path.relative_to(folder)))
    return found


def test_nothing_is_left_anywhere_and_others_keep_all_that_is_theirs(lake: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    ids, before = [user_id(lake, name) for name in (GONE, GONE_TOO)], all_rows(lake)
    assert files_with(lake.path, CANARY, *ids)
    assert erase(lake, "--name", f"reddit:{GONE_TOO}", "--text", CANARY, "--force-vacuum") == 0
    said = capsys.readouterr().out
    assert "2 accounts and people, 3 acts, and 3 items" in said
    assert "kindred-encoder/1" in said
    assert files_with(lake.path, CANARY, "quokka", *ids, GONE, GONE_TOO) == []
    after = all_rows(lake)
    assert {name: len(before[name]) - len(after[name]) for name in before if len(before[name]) != len(after[name])} == {
        "acts": 3, "rejects": 1, "units": 3, "unit_signatures": 2, "identities": 2, "sequences": 1, "labels": 3, "items": 3, "person_labels": 3, "user_vectors": 1,
        "item_vectors": 3,
    }  # fmt: skip
    changed = {name: {key for key, row in after[name].items() if row != before[name][key]} for name in after}
    assert {name: len(keys) for name, keys in changed.items() if keys} == {"acts": 1, "units": 5, "sequences": 2, "examples": 2, "user_vectors": 1}
    assert changed["units"] == {(unit_id,) for unit_id in (*THREAD, IN_PLACE)}


def contexts(lake: LakeConfig) -> dict[tuple[Any, ...], Any]:
    """What surrounds each unit, numbers of speakers aside: they are counted anew where contexts are made anew."""
    shown = {
        key: [{name: value for name, value in entry.items() if name != "speaker"} for entry in row["context"]] for key, row in rows_by_key(lake, UNITS).items()
    }
    return {key: (shown[key], row["root_state"], row["chain_state"], row["community"]) for key, row in rows_by_key(lake, UNITS).items()}


def test_contexts_of_others_say_that_an_act_is_missing_as_they_do_when_units_are_made_again(tables_alone: LakeConfig) -> None:
    lake, before = tables_alone, rows_by_key(tables_alone, UNITS)
    erase(lake, "--name", f"reddit:{GONE}", "--force-vacuum")
    after = rows_by_key(lake, UNITS)
    answer, far = after[(THREAD[1],)], after[(THREAD[2],)]
    assert ([entry["unit_id"] for entry in answer["context"]], answer["root_state"], answer["chain_state"]) == ([], "missing", "missing")
    assert [entry["unit_id"] for entry in far["context"]] == [THREAD[1]]
    assert after[(IN_PLACE,)] == before[(IN_PLACE,)] | {"community": None}
    erased = contexts(lake)
    units.main(arguments(lake, "etl.context_depth=9"))  # other settings: all is made again
    assert contexts(lake) == erased


def test_index_and_evaluations_lose_the_person_alone(lake: LakeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    gone, bob = user_id(lake, GONE), user_id(lake, "bob_stays")
    assert cli.main(["serving", "similar-users", "--user", bob, "--json", *arguments(lake)]) == 0
    assert gone in capsys.readouterr().out
    assert erase(lake, "--user", gone, "--force-vacuum") == 0
    capsys.readouterr()
    assert cli.main(["serving", "similar-users", "--user", bob, "--json", *arguments(lake)]) == 0
    said = capsys.readouterr().out
    assert (gone in said, user_id(lake, "carol_stays") in said) == (False, True)
    registry.connect(lake)
    (run,) = mlflow.search_runs(search_all_experiments=True, filter_string="tags.`kindred.job` = 'trainer evaluate'", output_format="list")
    kept = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/people.json")
    pages = [mlflow.artifacts.load_text(f"{run.info.artifact_uri}/report-{name}.html") for name in "ef"]
    assert [person["person_id"] for person in kept["people"]] == ["b"]
    assert ("makes it anew" in pages[0], pages[1]) == (True, "<p>Bread &amp; rye</p>")


def test_jobs_go_on_without_making_all_anew_and_nobody_comes_back(lake: LakeConfig, tmp_path: Path, spark: SparkSession) -> None:
    erase(lake, "--name", f"reddit:{GONE}", "--force-vacuum")
    assert spark_tables.read(spark, lake, UNITS).count() == 16  # by the log that was written anew
    kept = {spec.name: rows_by_key(lake, spec) for spec in (ACTS, UNITS, SEQUENCES)}
    dump = write_dump(tmp_path / "dump")
    for _ in range(2):
        run_etl(lake, dump)
        assert {spec.name: rows_by_key(lake, spec) for spec in (ACTS, UNITS, SEQUENCES)} == kept
    for job in ("etl units", "etl sequences"):
        run = last_done_run(lake, job)
        assert run is not None
        assert not any(run.rows.values())
    run_after_etl(lake, write_labels(tmp_path / "labels.jsonl"))
    run = last_done_run(lake, "serving embed")
    assert run is not None
    assert run.rows.get("items encoded", 0) == 0
    assert sum(run.rows.get(f"users {what}", 0) for what in ("unchanged", "redescribed", "encoded")) == 2

    files = {spec.name: set(arrow_tables.open_table(lake, spec).file_uris()) for spec in (UNITS, SEQUENCES)}
    late = [
        comment(60, GONE, f"I am back with {CANARY}", "1afj002"), comment(61, "bob_stays", "New words about rye under my own post", "1afj002"),
        comment(62, "carol_stays", f"Under what {GONE} wrote once", "1afj001"), comment(63, "bob_stays", "On a profile again", "9f1b", subreddit=f"u_{GONE}"),
    ]  # fmt: skip
    run_etl(lake, write_dump(tmp_path / "dump", "2024-03", late, [submission(9, GONE_TOO, "A new post", CANARY)]))
    acts = rows_by_key(lake, ACTS)
    assert acts.keys() - kept["acts"].keys() == {("RC_2024-03.ndjson", line) for line in (2, 3, 4)}
    assert acts["RC_2024-03.ndjson", 4]["community"] is None
    taken_in = {row["source_file"]: (row["lines"], row["rows"], dict(row["left_out_by_kind"])) for row in rows_by_key(lake, INGESTED_FILES).values()}
    assert taken_in["RC_2024-03.ndjson"] == (3, 3, {"erased": 1})
    assert taken_in["RS_2024-03.ndjson"] == (0, 0, {"erased": 1})
    found = {key: row for key, row in rows_by_key(lake, UNITS).items() if key not in kept["units"]}
    assert found.keys() == {(f"reddit:t1_kod{number:04d}",) for number in (61, 62, 63)}
    assert found[("reddit:t1_kod0062",)]["root_state"] == "missing"
    assert files["units"] & set(arrow_tables.open_table(lake, UNITS).file_uris())
    assert not {user_id(lake, name) for name in (GONE, GONE_TOO)} & {row["person_id"] for row in rows_by_key(lake, SEQUENCES).values()}
    assert erase(lake, "--name", f"reddit:{GONE}", "--text", CANARY, "--force-vacuum") == 0


def test_another_content_of_a_file_and_a_lake_made_anew_leave_them_out_too(tables_alone: LakeConfig, tmp_path: Path) -> None:
    lake = tables_alone
    erase(lake, "--name", f"reddit:{GONE}", "--force-vacuum")
    kept = rows_by_key(lake, ACTS)
    more = [*COMMENTS, comment(70, "bob_stays", "A line that the file did not have", "1afj002")]
    ingest.main(["--dump", str(write_dump(tmp_path / "dump", comments=more)), *arguments(lake, "etl.max_reject_share=0.2")])
    acts = rows_by_key(lake, ACTS)
    assert {row["unit_id"] for row in acts.values()} == {row["unit_id"] for row in kept.values()} | {"reddit:t1_kod0070"}
    assert cli.main(["erase", "--name", f"reddit:{GONE}", "--text", CANARY, "--force-vacuum", *arguments(lake)]) == 0


class _KilledError(BaseException):
    """What no code catches."""


def test_a_run_that_is_killed_between_any_two_commits_is_gone_on_with(tables_alone: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, kills = tables_alone, 0
    commit_files, append = arrow_tables.commit_files, arrow_tables.append
    left = [1]

    def counted(commit: Any) -> Any:
        def commit_or_die(*given: Any, **named: Any) -> Any:
            if not left[0]:
                raise _KilledError
            left[0] -= 1
            return commit(*given, **named)

        return commit_or_die

    monkeypatch.setattr(arrow_tables, "commit_files", counted(commit_files))
    monkeypatch.setattr(arrow_tables, "append", lambda lake, spec, *rest: append(lake, spec, *rest) if spec is JOB_RUNS else counted(append)(lake, spec, *rest))
    while True:
        left[0] = 1
        try:
            assert erase(lake, "--name", f"reddit:{GONE}", "--text", CANARY, "--force-vacuum") == 0
            break
        except _KilledError:
            kills += 1
            assert user_id(lake, GONE) in {row["user_id"] for row in rows_by_key(lake, IDENTITIES).values()}  # by whom the rest is known goes last
    assert kills == 12
    assert files_with(lake.path, CANARY, "quokka", user_id(lake, GONE), user_id(lake, GONE_TOO)) == []


def test_without_force_bytes_stay_for_deltas_retention_and_a_later_run_of_the_same_command_ends_well(
    tables_alone: LakeConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = tables_alone
    assert erase(lake, "--user", user_id(lake, GONE_TOO), "--text", CANARY) == 1
    said = capsys.readouterr()
    assert "no part of the table any more, and stays for its interval 1 week" in said.err
    assert user_id(lake, GONE) not in said.err + said.out
    run = last_done_run(lake, "erase")
    assert run is not None
    assert run.rows["units"] == 3
    assert not {path for path in files_with(lake.path, CANARY) if "_delta_log" in path}
    assert erase(lake, "--user", user_id(lake, GONE_TOO), "--text", CANARY, "--force-vacuum") == 0
    assert files_with(lake.path, CANARY) == []


def test_one_act_goes_and_its_person_stays(tables_alone: LakeConfig) -> None:
    lake, gone = tables_alone, "reddit:t1_kod0010"
    before = all_rows(lake)
    assert erase(lake, "--unit", gone, "--text", "That smell is normal", "--force-vacuum") == 0
    after = all_rows(lake)
    assert {name: len(before[name]) - len(after[name]) for name in before if len(before[name]) != len(after[name])} == {
        "acts": 1, "units": 1, "labels": 1, "person_labels": 1, "examples": 1,
    }  # fmt: skip
    (person,) = [row for row in after["sequences"].values() if row["person_id"] == user_id(lake, "bob_stays")]
    assert gone not in {unit["unit_id"] for unit in person["units"]}
    assert after["items"] == before["items"]  # labels of others give them too


def test_a_server_loses_the_rows_at_once(lake: LakeConfig, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with milvus_server(tmp_path / "milvus") as uri:
        config, settings = ServingConfig(milvus_uri=uri, index_type="FLAT"), [f"serving.milvus_uri={uri}", "serving.index_type=FLAT"]
        load(lake, config)
        with open_store(lake, config) as store:
            assert sorted(store.count(name) for name in store.names()) == [3, 6]
        assert cli.main(["erase", "--name", f"reddit:{GONE}", "--force-vacuum", *arguments(lake, *settings)]) == 1
        assert "milvus.db" in capsys.readouterr().err  # the index in the lake's folder, which nobody serves any more
        with open_store(lake, config) as store:
            assert sorted(store.count(name) for name in store.names()) == [2, 3]
