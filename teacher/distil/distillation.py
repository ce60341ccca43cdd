"""One distillation from labels to the registry: train, label what is held out, register, and move the alias where it is better, in this order."""

import gc
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
from tqdm import tqdm

from conf.errors import ConfigError
from conf.logs import NOTICE, Pace
from lake import arrow_tables, registry
from lake.config import LakeConfig
from lake.job_runs import RunRecord, job_run
from lake.labels import LABELS
from teacher.audit.encoder import frozen_encoder
from teacher.card import CARD_FILE, TeacherCard, read_card
from teacher.config import TeacherConfig
from teacher.distil import publishing
from teacher.distil.card_text import card_text
from teacher.distil.checkpoints import Checkpoints
from teacher.distil.folder import FOLDER, load_base, teacher_card, write_folder
from teacher.distil.held_out import HeldOutFigures, held_out_figures
from teacher.distil.loop import Step, learned_until, make_accelerator, train
from teacher.distil.plan import Plan, plan_distillation
from teacher.distil.publishing import JOB
from teacher.engines.start import start_engine
from teacher.identity import find_teacher
from teacher.jobs.label import StartEngine, label_units
from teacher.registered import with_model_here
from teacher.selected_units import ChosenContents

logger = logging.getLogger(__name__)


def distil(lake: LakeConfig, config: TeacherConfig, start: StartEngine = start_engine) -> None:
    """Train, label what is held out, register, and move the alias where it is better: in this order, each gone on with after a kill. Raises ConfigError, ContractError, TeacherError."""
    plan = plan_distillation(lake, config)
    checkpoints = Checkpoints(work_folder(lake, plan))
    registry.connect(lake)
    found = publishing.version_of(lake, config.distil, plan.fingerprint)
    if found is not None and publishing.is_finished(plan.fingerprint):
        logger.info("%s: version %s of %s learned these labels with these settings, nothing to do", JOB, found, config.distil.registered_model)
    else:
        with job_run(lake, JOB, {"teacher": config, "inputs": plan.tables}) as record, publishing.distil_run(lake, plan, config.distil):
            record.versions_read.update(plan.tables.versions)
            record.rows.update({"contents to learn from": len(plan.lessons.learned), "contents held out": len(plan.lessons.held_out)})
            record.dropped["contents: too many tokens"] += plan.lessons.left_out
            folder = checkpoints.folder / FOLDER
            if not folder.is_dir():
                train_folder(lake, plan, config, checkpoints, folder, record)
            publish(lake, plan, config, folder, start)
    checkpoints.remove()


def work_folder(lake: LakeConfig, plan: Plan) -> Path:
    """Where a distillation keeps what it has until it is registered. Raises ConfigError for a lake that is no local folder."""
    if "://" in lake.path:
        raise ConfigError(
            f"{lake.path}: 'distil' keeps its checkpoints beside a local lake; run it on one that holds `labels` and `units`, and give lake.mlflow_uri the registry of all"
        )
    return lake.local_dir() / "distil" / plan.fingerprint


def train_folder(lake: LakeConfig, plan: Plan, config: TeacherConfig, checkpoints: Checkpoints, folder: Path, record: RunRecord) -> None:
    """Train the base on the lessons, and write it into a folder as a teacher."""
    logger.info("%s learns from %d contents of teacher %s", plan.base.model, len(plan.lessons.learned), plan.strong)
    log, model = publishing.step_log(), load_base(plan.folder)
    with _Progress() as progress:
        for step in train(model, plan.lessons, config.distil, make_accelerator(config.distil), checkpoints):
            log.add(step)
            progress.done(step)
            record.rows["steps"] += 1
    contents = learned_until(plan.lessons, config.distil, checkpoints.progress().best_step or 0)
    write_folder(folder, model, plan.folder, teacher_card(plan, config.distil, strong_model(lake, plan), contents))
    del model
    gc.collect()  # what is held of a GPU is the engine's next


def strong_model(lake: LakeConfig, plan: Plan) -> str:
    """Name of the strong teacher's model, as `labels` has it."""
    batches = arrow_tables.read_batches(lake, LABELS, ("teacher_model",), ds.field("teacher_version") == plan.strong, plan.tables.version(LABELS))
    return str(next(batch["teacher_model"][0].as_py() for batch in batches if batch.num_rows))


def publish(lake: LakeConfig, plan: Plan, config: TeacherConfig, folder: Path, start: StartEngine) -> None:
    """Label what is held out, register the teacher with what came of it, and let the alias name it if it agrees more with the strong one than the teacher that the alias names."""
    distil, card = config.distil, read_card(folder)
    assert card is not None, f"{folder / CARD_FILE} was written with the weights"
    version, figures = look_at(lake, plan, config, str(folder), start)
    before = publishing.best_version(distil)
    best = None if before is None else look_at(lake, plan, config, f"models:/{distil.registered_model}/{before}", start)[1]
    number = publishing.version_of(lake, distil, plan.fingerprint)  # of a run that was killed right after it was registered
    if number is None:
        card_words = card_text(card, version, figures, distil.registered_model)
        number = publishing.register(folder, distil, tags_of(plan, card, version, figures), card_words, figures.metrics())
    is_better = best is None or figures.agreement > best.agreement
    if is_better:
        registry.move_alias(publishing.teachers_of(lake, distil), distil.alias, number)
    logger.log(
        NOTICE, "%s version %s, teacher_version %s: agrees with the strong teacher by %.3f on %d held-out contents%s; '%s' names %s",
        distil.registered_model, number, version, figures.agreement, figures.contents, "" if best is None else f", version {before} by {best.agreement:.3f}",
        distil.alias, "it" if is_better else "the other still",
    )  # fmt: skip


def look_at(lake: LakeConfig, plan: Plan, config: TeacherConfig, model: str, start: StartEngine) -> tuple[str, HeldOutFigures]:
    """As whom a distilled model labels, and what it makes of the held-out contents; what of them it labelled before is not asked again."""
    asked = with_model_here(lake, config.model_copy(update={"engine": "vllm", "model": model, "prompt": None, "max_reject_share": 1.0}))
    contents = [lesson.content for lesson in plan.lessons.held_out[: config.distil.held_out_contents]]
    label_units(lake, asked, start, ChosenContents(pa.array(contents, pa.string())))
    version = find_teacher(asked).version
    return version, held_out_figures(lake, contents, plan.strong, version, frozen_encoder(config.audit), config.audit.same_meaning_cosine)


def tags_of(plan: Plan, card: TeacherCard, version: str, figures: HeldOutFigures) -> dict[str, str]:
    """Tags by which versions can be found."""
    facts = {
        "base": card.base, "learned_from": plan.strong, "prompt_version": card.prompt.prompt_version, "contents": card.contents, "agreement": f"{figures.agreement:.4f}",
    }  # fmt: skip
    return {publishing.INPUTS: plan.fingerprint, publishing.TEACHER_VERSION: version} | {f"kindred.{name}": str(value) for name, value in facts.items()}


class _Progress:
    """A bar on a terminal, elsewhere a log line now and then: steps, losses, rate."""

    def __init__(self) -> None:
        self._bar, self._pace = tqdm(unit="step", desc="distil", disable=None), Pace()

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def done(self, step: Step) -> None:
        """Show a step that was taken."""
        self._bar.total = step.of
        self._bar.update(step.number - self._bar.n)
        if step.held_out_loss is not None:
            logger.info("step %d of %d: held-out loss %.3f", step.number, step.of, step.held_out_loss)
        elif self._bar.disable and self._pace.is_due():
            logger.log(NOTICE, "step %d of %d: loss %.3f, %.0f tokens/s", step.number, step.of, step.loss, step.tokens_per_second)
