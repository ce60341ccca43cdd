"""A lake in an object store, by a real S3 server: `etl thread` and `etl user`, tables that delta-rs makes there, and secrets that nobody logs."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from conf.errors import ConfigError
from conf.secrets import MASKED
from etl.jobs import sequences, units
from lake import arrow_tables
from lake.acts import ACTS
from lake.config import LakeConfig
from lake.job_runs import JOB_RUNS, job_run
from lake.schema import rows_table
from lake.units import IDENTITIES, Identity
from pipeline import cli
from tests.etl_rows import act
from tests.object_store import BUCKET, CREDENTIALS, copy_into_bucket, s3_server


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with s3_server() as found:
        yield found


@pytest.fixture
def options(address: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """`lake.storage_options` of the server; credentials are in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return {"region": "us-east-1", "endpoint_url": f"http://{address}", "allow_http": "true"}


def words_of(lake: LakeConfig) -> list[str]:
    return ["--lake", lake.path, "--set", f"lake.storage_options={json.dumps(lake.storage_options)}"]


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert cli.main(list(words)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("scheme", ["s3", "s3a"])
def test_thread_and_user_answer_as_in_a_folder(
    lake: LakeConfig, spark: SparkSession, address: str, options: dict[str, str], capsys: pytest.CaptureFixture[str], scheme: str
) -> None:  # fmt: skip
    acts = [
        act(f"r:{name}", None if name == "t" else "r:t", "r:t", user_id=f"account {number % 2}", text=f"says {name}")
        for number, name in enumerate("tabcdefghij")
    ]
    acts += [act("h:t", None, "h:t", platform="hackernews", thread_group="7", user_id="account 0", text="elsewhere")]
    arrow_tables.append(lake, ACTS, rows_table(ACTS, [row | {"line": number} for number, row in enumerate(acts, 1)]))
    units.main(["--lake", lake.path])
    sequences.main(["--lake", lake.path])
    arrow_tables.overwrite(lake, IDENTITIES, [Identity(user_id="second account", person_id="account 0")])
    copy_into_bucket(lake.path, address, f"{scheme} a lake")
    remote = lake.model_copy(update={"path": f"{scheme}://{BUCKET}/{scheme} a lake", "storage_options": options})
    for question in (["thread", "r:c"], ["thread", "h:t"], ["user", "account 1"], ["user", "second account"]):
        expected = answer(capsys, "etl", *question, "--json", "--lake", lake.path)
        assert len(json.loads(expected)) >= 1
        assert answer(capsys, "etl", *question, "--json", *words_of(remote)) == expected
    run = subprocess.run([sys.executable, "-m", "pipeline.cli", "etl", "user", "account 1", *words_of(remote)], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("5 units in 1 threads")


LEFT_EARLY = """
import sys
from lake import arrow_tables
from lake.config import LakeConfig
from lake.units import IDENTITIES

stream = arrow_tables.read_batches(LakeConfig.model_validate_json(sys.argv[1]), IDENTITIES, batch_rows=10)
next(stream)
if sys.argv[2] == "closed":
    stream.close()
"""


@pytest.mark.parametrize("stream", ["closed", "held"])
def test_a_program_that_leaves_a_table_half_read_ends_well(options: dict[str, str], stream: str) -> None:
    lake = LakeConfig(path=f"s3://{BUCKET}/left-early-{stream}", storage_options=options)
    for part in range(8):  # files that Arrow reads ahead, and has in hand when the interpreter ends
        arrow_tables.append(lake, IDENTITIES, [Identity(user_id=f"{part}-{number}", person_id="one") for number in range(2000)])
    run = subprocess.run([sys.executable, "-c", LEFT_EARLY, lake.model_dump_json(), stream], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")


def test_credentials_in_storage_options_are_used_and_never_kept(
    address: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    secrets = {"spark.hadoop.fs.s3a.secret.key": "also-a-secret", "spark.executor.memory": "2g"}
    lake = LakeConfig(path=f"s3a://{BUCKET}/secrets", storage_options=options | CREDENTIALS, spark_settings=secrets, mlflow_uri="https://me:pass-word@host/x")
    with caplog.at_level(logging.INFO), job_run(lake, "some job", {"lake": lake}):
        pass
    (run,) = arrow_tables.read(lake, JOB_RUNS).to_pylist()
    kept = json.loads(run["config"])["lake"]
    assert kept["storage_options"] == options | dict.fromkeys(CREDENTIALS, MASKED)
    assert kept["spark_settings"] == {"spark.hadoop.fs.s3a.secret.key": MASKED, "spark.executor.memory": "2g"}
    assert kept["mlflow_uri"] == f"https://{MASKED}@host/x"
    assert not [secret for secret in (*CREDENTIALS.values(), "also-a-secret", "pass-word") if secret in json.dumps(run, default=str) + caplog.text]


def test_what_is_wrong_with_an_object_store_is_one_sentence(address: str, options: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    lake = LakeConfig(path="s3://no-such-bucket/lake", storage_options=options)
    assert cli.main(["etl", "user", "somebody", *words_of(lake)]) == 1
    said = capsys.readouterr().err
    assert "lake.path: s3://no-such-bucket/lake/sequences cannot be read (" in said
    assert "NoSuchBucket" in said
    assert said.count("\n") == 1
    with pytest.raises(ConfigError, match="allow_http"):
        arrow_tables.find_table(LakeConfig(path=f"s3://{BUCKET}/lake", storage_options={k: v for k, v in options.items() if k != "allow_http"}), ACTS)


def test_an_empty_lake_in_an_object_store_has_no_tables(options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert arrow_tables.find_table(LakeConfig(path=f"s3a://{BUCKET}/nothing", storage_options=options), ACTS) is None
    assert not os.listdir(tmp_path)
