"""The real teacher: vLLM with SmolLM2, from units to labels, killed and run again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from label_lakes import CONFIG
from teacher_lake import TEXTS, answers, histories, unit_row, write_histories, write_units, written

from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import inputs_now, last_done_run
from lake.judgements import JUDGEMENTS
from lake.labels import LABELS
from lake.units import SEQUENCES, UNITS
from teacher.config import SampleConfig, TeacherConfig
from teacher.jobs.judge import judge_items
from teacher.jobs.label import label_units
from teacher.jobs.sample import forecast_sample, sample_contents
from teacher.sample.forecast import together
from teacher.sample.sampled import SampleForecast, pick
from teacher.sample.sampled import forecast as sample_forecast
from teacher.small_model import converted_folder
from tests.planted_people import write_planted

ROOT = Path(__file__).parents[2]


def label_in_a_process(lake: LakeConfig) -> subprocess.Popen[bytes]:
    arguments = ["--lake", lake.path, "--set", f"teacher.batch_units={CONFIG.batch_units}", "--set", f"teacher.max_reject_share={CONFIG.max_reject_share}"]
    return subprocess.Popen([sys.executable, "-m", "teacher.jobs.label", *arguments], cwd=ROOT, stderr=subprocess.DEVNULL)


def not_started(*_: Any) -> Any:
    raise AssertionError("the engine was started with nothing to do")


def kill_after_the_first_batch(lake: LakeConfig) -> None:
    """SIGKILL as soon as a batch is committed, that is, in the second one."""
    process = label_in_a_process(lake)
    until = time.monotonic() + 600
    try:
        while process.poll() is None and time.monotonic() < until and not written(lake, LABELS):
            time.sleep(0.05)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL, "the run was over before it could be killed"


def run_to_the_end(*lakes: LakeConfig) -> None:
    """Label the lakes in one process, with one engine: a start of vLLM is what costs."""
    script = Path(__file__).with_name("label_lakes.py")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.run([sys.executable, script, *(lake.path for lake in lakes)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
    assert process.returncode == 0, process.stderr


def took_what_was_forecast(lake: LakeConfig, config: TeacherConfig, forecast: SampleForecast) -> None:
    """Prompts and what of them is cached within a tenth of what the run counted, and so the hours, once its speed is known."""
    run = last_done_run(lake, "teacher label")
    assert run is not None
    foretold = together("all", forecast.parts)
    assert run.rows["contents asked"] == foretold.contents == 40
    assert foretold.hours(forecast.costs) is None, "nothing was measured then"
    assert foretold.tokens.prompt == pytest.approx(run.rows["prompt tokens"], rel=0.1)
    assert foretold.tokens.cached == pytest.approx(run.rows["prompt tokens cached"], rel=0.1)
    assert forecast_sample(lake, config).parts == [], "all is labelled"
    tables = inputs_now(lake, (SEQUENCES, UNITS))
    measured = sample_forecast(lake, config, tables, pick(lake, config.sample, tables, 40).chosen)
    foretold = together("all", measured.parts)
    assert foretold.tokens.completion == pytest.approx(run.rows["completion tokens"], rel=0.01)
    assert foretold.hours(measured.costs) == pytest.approx(run.rows["milliseconds of asking"] / 3_600_000, rel=0.1)
    assert foretold.price(measured.costs) == pytest.approx(2 * (foretold.hours(measured.costs) or 0))


def all_was_judged_and_a_second_run_judges_nothing(lake: LakeConfig) -> None:
    """Each drawn unit and history has grades of all its items, the unit's own label among them."""
    rows = written(lake, JUDGEMENTS)
    queries = {row["query_id"] for row in rows}
    assert len(queries) == 8
    assert sum(query_id.startswith("history:") for query_id in queries) == 2
    for query_id in queries:
        grades = [row["grade"] for row in rows if row["query_id"] == query_id]
        assert 4 <= len(grades) <= 5
        assert 0 <= min(grades) < max(grades) <= 1
    run = last_done_run(lake, "teacher judge")
    assert run is not None
    assert run.rows["specific, unit: judged with the label that is there"] == 6
    version = arrow_tables.table_version(lake, JUDGEMENTS)
    judge_items(lake, CONFIG, not_started)
    assert arrow_tables.table_version(lake, JUDGEMENTS) == version


@pytest.mark.timeout(1500)
def test_real_labels_survive_a_kill_and_a_second_run_costs_nothing(lake: LakeConfig) -> None:
    undisturbed = lake.model_copy(update={"path": lake.path + "-undisturbed"})
    for place in (lake, undisturbed):
        write_units(place)
        write_units(place, [unit_row("reddit:t1_long", "eve", "我昨天去看了老桥" * 500)])  # more tokens than the model reads
    kill_after_the_first_batch(lake)
    assert len(written(lake, LABELS)) <= 4
    sampled = lake.model_copy(update={"path": lake.path + "-sampled"})
    write_histories(sampled, histories(40))
    sampling = CONFIG.model_copy(update={"sample": SampleConfig(contents=40, probed_prompts=25, price_per_hour=2)})
    sample_contents(sampled, sampling)
    forecast = forecast_sample(sampled, sampling)
    judged = lake.model_copy(update={"path": lake.path + "-judged"})
    write_planted(judged, train=4, validation=0)
    run_to_the_end(lake, undisturbed, sampled, judged)
    all_was_judged_and_a_second_run_judges_nothing(judged)
    took_what_was_forecast(sampled, sampling, forecast)
    assert written(lake, LABELS) == written(undisturbed, LABELS)

    labels, rejects = answers(lake)
    assert len(labels) + len(rejects) == sum(map(len, TEXTS.values())) + 1
    assert "prompt: too many tokens" not in {row["reason"] for row in rejects}, "a part of it was shown"
    assert len(labels) >= 5
    words = " ".join(f"{label['specific']} {label['broad']}" for label in labels).lower()
    assert sum(topic in words for topic in ("train", "sourdough", "bike", "brake", "loan", "cat", "kernel", "wifi")) >= 4
    assert "hacked" not in words
    assert "buy gold now" not in {label["specific"].lower() for label in labels}

    version = arrow_tables.table_version(lake, LABELS)
    label_units(lake, CONFIG, not_started)
    assert arrow_tables.table_version(lake, LABELS) == version


def test_a_converted_model_is_used_again_and_no_half_of_one_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_gguf: Path, folder: Path) -> None:
        (folder / "config.json").write_text("{}")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("teacher.small_model._convert", killed)
        with pytest.raises(KeyboardInterrupt):
            converted_folder("SmolLM2-135M-Instruct", "f", str(tmp_path))
    assert [path.name for path in (tmp_path / "models").iterdir() if path.is_dir()] == []
    whole = tmp_path / "models" / "SmolLM2-135M-Instruct-f"
    whole.mkdir()
    assert converted_folder("SmolLM2-135M-Instruct", "f", str(tmp_path)) == whole
