"""`kindred teacher distil` with a tiny random language model that has the real small model's tokenizer: it learns, goes on after a kill, is registered, and labels by its name there.

The engine is one that answers by itself: so few steps teach a random model the shape of no answer. Its weights are read with transformers.
"""

import gc
import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
from teacher_lake import unit_row, write_units, written
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from conf.errors import ConfigError, TeacherError
from lake import arrow_tables, registry
from lake.config import LakeConfig
from lake.labels import LABELS, Label
from lake.schema import rows_table
from lake.units import UNITS
from pipeline import cli
from teacher.card import CARD_FILE, read_card
from teacher.config import DistilConfig, TeacherConfig
from teacher.distil.checkpoints import Checkpoints
from teacher.distil.distillation import distil
from teacher.distil.folder import load_base
from teacher.distil.loop import Step, held_out_loss, make_accelerator, train
from teacher.distil.plan import Plan, plan_distillation
from teacher.engine import Completion, Decoding, Question
from teacher.identity import find_teacher, model_folder
from teacher.jobs.label import label_units
from teacher.registered import with_model_here

STRONG = "import-of-a-strong-one"
THINGS = {"bridge": "Structures", "kernel": "Software", "sourdough": "Baking", "telescope": "Astronomy"}
PEOPLE = 24
SETTINGS: dict[str, Any] = {
    "teacher": STRONG[:9], "min_contents": 20, "held_out_share": 0.3, "epochs": 2, "tokens_per_step": 512, "learning_rate": 0.02, "evaluation_steps": 4, "loss_contents": 8, "patience": 9, "precision": "full",
}  # fmt: skip


def label_of(text: str) -> dict[str, str]:
    thing = next(each for each in THINGS if each in text)
    return {"specific": f"Asking about a {thing}", "broad": THINGS[thing]}


def strong_label(unit: dict[str, Any]) -> Label:
    return Label(
        unit_hash=unit["unit_hash"], teacher_version=STRONG, **label_of(unit["text"]), teacher_model="strong-1.5B", prompt_version="p", rendering_version="1", decoding="imported",
        prompt_tokens=None, completion_tokens=None, batch=None, labelled_at=None,
    )  # fmt: skip


def write_labelled(lake: LakeConfig) -> None:
    """People with a unit about each thing, all labelled by a strong teacher but one, whose label was none."""
    units = [
        unit_row(f"reddit:t1_{person}x{place}", f"p{person}", f"p{person} wants to know more about a {thing}")
        for person in range(PEOPLE)
        for place, thing in enumerate(THINGS)
    ]
    write_units(lake, units)
    labels = [strong_label(unit) for unit in units[1:]] + [
        strong_label(units[0]).model_copy(update={"specific": "", "broad": "", "reason": "specific: empty", "raw": "x"})
    ]
    arrow_tables.append(lake, LABELS, rows_table(LABELS, [label.model_dump() for label in labels]))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two small layers, with the tokenizer and template of the small model."""
    small = TeacherConfig()
    tokenizer = AutoTokenizer.from_pretrained(model_folder(small, find_teacher(small).fingerprint, LakeConfig().cache_dir))
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id, bos_token_id=tokenizer.bos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("bases") / "tiny"
    LlamaForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    return folder


class JsonEngine:
    """Answers a chat prompt as the strong teacher would, or with the same two labels to all."""

    def __init__(self, always: dict[str, str] | None = None) -> None:
        self.always = always
        self.asked: list[Question] = []

    def fits(self, prompt: Question, decoding: Decoding) -> bool:
        return True

    def complete(self, prompts: Sequence[Question], decoding: Decoding) -> list[Completion]:
        self.asked += prompts
        return [Completion(json.dumps(self.always or label_of(str(prompt))), True, 10, 5) for prompt in prompts]


class KilledEngine(JsonEngine):
    def complete(self, prompts: Sequence[Question], decoding: Decoding) -> list[Completion]:
        raise KeyboardInterrupt


def settings(base: Path, **changed: Any) -> TeacherConfig:
    return TeacherConfig(distil=DistilConfig(base=str(base), **SETTINGS | changed))


def not_started(*_: Any) -> Any:
    raise AssertionError("the engine was started with nothing to do")


def killed(*_: Any) -> None:
    raise KeyboardInterrupt


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: each.detach().clone() for name, each in model.named_parameters()}


def steps_of(plan: Plan, config: TeacherConfig, folder: Path, killed_after: int | None = None) -> tuple[list[Step], dict[str, torch.Tensor]]:
    """The steps of a training that goes on from what is in a folder, and its weights; nothing of it is left but the folder where it is killed."""
    model, taken = load_base(plan.folder), []
    for step in train(model, plan.lessons, config.distil, make_accelerator(config.distil), Checkpoints(folder)):
        taken.append(step)
        if step.number == killed_after:
            break
    found = weights(model)
    gc.collect()  # closes the lock, as the end of a process does
    return taken, found


def test_a_small_model_learns_the_labels_and_goes_on_after_a_kill_to_the_same_weights(lake: LakeConfig, base: Path, tmp_path: Path) -> None:
    write_labelled(lake)
    config = settings(base)
    plan = plan_distillation(lake, config)
    learned, held_out = ({written_by(lake)[each.content] for each in lessons} for lessons in (plan.lessons.learned, plan.lessons.held_out))
    assert learned
    assert held_out
    assert learned.isdisjoint(held_out), "a person is held out whole"
    assert len(plan.lessons.learned) + len(plan.lessons.held_out) == PEOPLE * len(THINGS) - 1, "what has no label teaches nothing"

    whole, trained = steps_of(plan, config, tmp_path / "whole")
    assert [step.number for step in whole] == list(range(1, whole[0].of + 1))
    looks = [step.held_out_loss for step in whole if step.held_out_loss is not None]
    assert looks == sorted(looks, reverse=True)
    assert looks[-1] < 0.5 * whole[0].loss

    before, _ = steps_of(plan, config, tmp_path / "killed", killed_after=7)
    after, again = steps_of(plan, config, tmp_path / "killed")
    assert [step.number for step in after] == list(range(5, whole[0].of + 1)), "from the checkpoint of the fourth step on"
    assert [step.loss for step in before + after] == [step.loss for step in whole[:7] + whole[4:]]
    assert all(torch.equal(again[name], each) for name, each in trained.items())
    assert {each.name for each in (tmp_path / "killed").iterdir()} == {f"step-{whole[0].of:09}", "lock"}

    stopped, _ = steps_of(plan, settings(base, learning_rate=1e-30, patience=1), tmp_path / "stopped")
    assert [step.number for step in stopped] == list(range(1, 9)), "a second look that finds no lower loss ends it"


def written_by(lake: LakeConfig) -> dict[str, str]:
    rows = arrow_tables.read(lake, UNITS, ("unit_hash", "user_id")).to_pylist()
    return {row["unit_hash"]: row["user_id"] for row in rows}


def test_a_distilled_teacher_is_registered_with_its_card_and_labels_by_its_name(
    lake: LakeConfig, base: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    write_labelled(lake)
    config = settings(base)
    with pytest.raises(KeyboardInterrupt):
        distil(lake, config, lambda *_: KilledEngine())
    registry.connect(lake)
    (run,) = mlflow.search_runs(output_format="list")
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [metric.step for metric in history] == list(range(1, len(history) + 1))

    engine = JsonEngine()
    with monkeypatch.context() as patch:
        patch.setattr(registry, "move_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            distil(lake, config, lambda *_: engine)
    distil(lake, config, not_started)  # registered already: the alias alone was missing
    assert [version.version for version in mlflow.search_model_versions(filter_string="name = 'kindred-teacher'")] in ([1], ["1"])
    (run,) = mlflow.search_runs(output_format="list")
    assert run.info.status == "FINISHED"
    assert len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")) == len(history), "it was not trained again"
    assert run.data.metrics["held_out.agreement"] == pytest.approx(1.0, abs=1e-4)
    assert run.data.params["labels_version"] == "1"
    assert [each.dataset.name for each in run.inputs.dataset_inputs] == ["labels", "units"]

    here = with_model_here(lake, TeacherConfig(model="models:/kindred-teacher@distilled"))
    folder = Path(here.model)
    card = read_card(folder)
    assert card is not None
    assert (card.name, card.base_licence, card.learned_from) == ("tiny, distilled from strong-1.5B", "mit", STRONG)
    told = (folder / "README.md").read_text(encoding="utf-8")
    assert "say of their licence: mit." in told
    assert f"{len(engine.asked)} contents of people of whose contents it learned none" in told
    model, looks = AutoModelForCausalLM.from_pretrained(folder), mlflow.MlflowClient().get_metric_history(run.info.run_id, "held_out_loss")
    watched = plan_distillation(lake, config).lessons.held_out[:8]
    assert held_out_loss(model.eval(), watched, 512, make_accelerator(config.distil)) == pytest.approx(min(look.value for look in looks), abs=1e-5)
    assert AutoTokenizer.from_pretrained(folder).chat_template

    held_out = {row["teacher_version"] for row in written(lake, LABELS)} - {STRONG}
    teacher = find_teacher(here)
    assert held_out == {teacher.version}
    assert (teacher.prompt.name, teacher.model) == ("distilled", card.name)
    rest = JsonEngine()
    label_units(lake, TeacherConfig(model="models:/kindred-teacher@distilled"), lambda *_: rest)
    assert len(rest.asked) == PEOPLE * len(THINGS) - len(engine.asked), "those held out have its labels"
    assert {row["teacher_version"] for row in written(lake, LABELS)} == {STRONG, teacher.version}

    caplog.clear()
    with caplog.at_level(logging.INFO):
        distil(lake, config, not_started)
    assert "nothing to do" in caplog.text
    assert not any((lake.local_dir() / "distil").iterdir()), "what is registered needs no checkpoints"

    for always, alias in (({"specific": "Some other thing", "broad": "Nothing"}, 1), (None, 3)):  # a worse one, and one that is better than it
        if always is None:
            registry.move_alias(lake.model_copy(update={"registered_model": "kindred-teacher"}), "distilled", "2")
        distil(lake, settings(base, seed=1 if always else 2, epochs=1), lambda *_, said=always: JsonEngine(said))
        assert mlflow.MlflowClient().get_model_version_by_alias("kindred-teacher", "distilled").version in (alias, str(alias))


def test_what_cannot_be_distilled_is_told_before_anything_is_loaded(
    lake: LakeConfig, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    write_labelled(lake)
    with pytest.raises(ConfigError, match=rf"teacher\.distil\.teacher: not set; .*{STRONG}"):
        plan_distillation(lake, settings(base, teacher=None))
    with pytest.raises(TeacherError, match=r"contents to learn from and .* expected 1000"):
        plan_distillation(lake, settings(base, min_contents=1000))
    with pytest.raises(ConfigError, match="expected 'chat'"):
        plan_distillation(lake, settings(base, prompt="small"))
    mute = tmp_path / "mute"
    shutil.copytree(base, mute)
    (mute / "chat_template.jinja").unlink()
    with pytest.raises(ConfigError, match="has no chat template"):
        plan_distillation(lake, settings(mute))
    assert cli.main(["teacher", "distil", "--lake", lake.path, "--set", "teacher.distil.teacher=nobody"]) == 1
    assert "0 teachers begin with 'nobody'" in capsys.readouterr().err
    assert cli.main(["teacher", "label", "--lake", lake.path, "--set", "teacher.model=models:/kindred-teacher@distilled"]) == 1
    assert "the registry has no 'models:/kindred-teacher@distilled'" in capsys.readouterr().err
    (base.parent / "broken").mkdir()
    (base.parent / "broken" / CARD_FILE).write_text("{}")
    with pytest.raises(TeacherError, match="is no card"):
        read_card(base.parent / "broken")
