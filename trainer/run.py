"""One training run from tables to the registry: train, compare with the base, register, move the alias, in this order."""

import logging
import math
import sys
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from accelerate import Accelerator
from tqdm import tqdm

from conf.errors import ContractError, EncoderError
from conf.logs import NOTICE, Pace
from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import Encoder, load_registered
from lake.examples import EXAMPLES, HeldOut
from lake.job_runs import job_run
from lake.labels import ITEMS
from trainer import tracking
from trainer.champion import Comparison, choose_champion
from trainer.config import TrainerConfig
from trainer.evaluation.questions import Questions, questions_of
from trainer.evaluation.scores import personal_auc_by_person
from trainer.examples.cuts import held_out
from trainer.fingerprint import ITEM_COLUMNS, TRAIN, Plan
from trainer.student import base_encoder, content_version, finish, student_encoder
from trainer.training.batches import TrainingSet, training_set
from trainer.training.loop import total_steps, train

logger = logging.getLogger(__name__)


def train_registered(lake: LakeConfig, config: TrainerConfig, plan: Plan, accelerator: Accelerator) -> None:
    """Train on all processes; the main one alone keeps the record, compares and registers."""
    items = arrow_tables.read(lake, ITEMS, ITEM_COLUMNS, version=plan.versions["items"])
    training = read_training_set(lake, config, plan, items)
    if not accelerator.is_main_process:
        fine_tuned(training, config, plan, accelerator)
        return
    with job_run(lake, TRAIN, {"trainer": config}) as record, tracking.training_run(config, plan.tags):
        record.versions_read.update(plan.versions)
        record.rows["people"] += len(training)
        tracking.log_inputs(lake, {spec: plan.versions[spec.name] for spec in (EXAMPLES, ITEMS)})
        tuned = fine_tuned(training, config, plan, accelerator)
        questions = read_validation_questions(lake, config, plan, items)
        record.rows["validation people"] += questions.people
        register_winner(lake, config, plan, tuned, questions)


def read_training_set(lake: LakeConfig, config: TrainerConfig, plan: Plan, items: pa.Table) -> TrainingSet:
    """The people of split train. Raises ContractError where nobody can be trained on."""
    columns = ("person_id", "history", "labelled", "cuts")
    examples = arrow_tables.read(lake, EXAMPLES, columns, ds.field("split") == "train", plan.versions["examples"])
    donor_seed = config.seed if config.shuffle_labels else None
    _check_held_out(examples["person_id"].to_pylist(), config)
    training = training_set(examples, items, config.train_on_periods, config.people_per_batch, donor_seed)
    if not len(training):
        raise ContractError("examples: no person of split 'train' has a cut with positives; label more units, then run 'kindred trainer examples'")
    return training


def _check_held_out(person_ids: Sequence[str], config: TrainerConfig) -> None:
    """Raise ContractError where somebody would be trained on whom the settings hold out: the registry would say of the encoder what is not so."""
    shares = held_out(config.examples)
    wrong = sum(shares.split_of(person_id) != "train" for person_id in person_ids)
    if wrong:
        raise ContractError(
            f"examples: {wrong} of {len(person_ids)} people to train on are held out by trainer.examples.validation_share {shares.validation_share:g} and "
            f"test_share {shares.test_share:g}; run 'kindred trainer examples' with these settings"
        )


def read_validation_questions(lake: LakeConfig, config: TrainerConfig, plan: Plan, items: pa.Table) -> Questions:
    """The cuts of people of split validation, as many people as the settings take."""
    examples = arrow_tables.read(lake, EXAMPLES, where=ds.field("split") == "validation", version=plan.versions["examples"]).sort_by("person_id")
    labels = items.filter(pc.equal(items["source"], "labels"))
    return questions_of(examples.slice(0, config.evaluation.max_people).to_pylist(), labels.to_pylist())


def fine_tuned(training: TrainingSet, config: TrainerConfig, plan: Plan, accelerator: Accelerator) -> Encoder:
    """The encoder after training. The main process alone speaks."""
    encoder = student_encoder(config, str(accelerator.device))
    steps, pace, speaks = total_steps(training, config), Pace(), accelerator.is_main_process
    taken = train(encoder, training, config, accelerator)
    for step in tqdm(taken, total=steps, unit="step", disable=not (speaks and sys.stderr.isatty())):
        if not speaks:
            continue
        numbers = {"loss": step.loss, "learning_rate": step.learning_rate, "gradient_norm": step.gradient_norm, "temperature": step.temperature}
        tracking.log_metrics(numbers, step.number)
        if pace.is_due() or step.number == steps:
            words = "step %d of %d, epoch %d, loss %.3f at temperature %.3f"
            logger.log(NOTICE, words, step.number, steps, step.epoch, step.loss, step.temperature)
    finish(encoder.model, config)
    card = encoder.card.model_copy(update={"trained_on": plan.versions, "held_out": held_out(config.examples)})
    return Encoder(encoder.model, card, content_version(encoder.model, card))


def register_winner(lake: LakeConfig, config: TrainerConfig, plan: Plan, tuned: Encoder, questions: Questions) -> None:
    """Register the tuned encoder, and its base where that wins; then, last, move the aliases."""
    base = base_encoder(config, str(tuned.model.device))
    champion_is_base = tracking.champion_version(lake) == base.version
    current = None if champion_is_base else current_champion_auc(lake, questions, held_out(config.examples))
    found = Comparison(mean_personal_auc(tuned, questions), mean_personal_auc(base, questions), current, questions.people)
    choice = choose_champion(found, config.shuffle_labels)
    tracking.log_metrics(found.metrics())
    tuned_version = tracking.register(lake, tuned, plan.tags)
    champion = {"tuned": tuned_version, "base": None, "current": None}[choice]
    if choice == "base" and not champion_is_base:
        champion = tracking.register(lake, base, plan.tags)
    tracking.move_alias(lake, tracking.TRAINED, tuned_version)
    if champion is not None:
        tracking.move_alias(lake, lake.encoder_alias, champion)
    say_choice(choice, found, lake.encoder_alias)


def mean_personal_auc(encoder: Encoder, questions: Questions) -> float:
    """Mean over people of the personal AUC at the specific level; NaN where nobody can be asked."""
    if not questions.histories:
        return float("nan")
    by_person = personal_auc_by_person(encoder, questions)["specific", "all"]
    return float(np.nanmean(by_person)) if not np.isnan(by_person).all() else float("nan")


def current_champion_auc(lake: LakeConfig, questions: Questions, shares: HeldOut) -> float | None:
    """Score of the champion so far; None where there is none that this program can use, or one that may have been trained on those who are asked."""
    try:
        champion = load_registered(lake)
    except EncoderError:
        return None
    if champion.card.may_have_met_anybody or champion.card.held_out not in (None, shares):
        logger.warning("the champion so far, %s, held out other people: it may know those who are asked, and is not compared", champion.version)
        return None
    return mean_personal_auc(champion, questions)


def say_choice(choice: str, found: Comparison, alias: str) -> None:
    """One line on who is served and why."""
    scores = f"validation personal AUC: tuned {found.tuned:.3f}, base {found.base:.3f}, {found.people} people"
    if math.isnan(found.base):
        served = "the untouched base" if choice == "base" else "what it was"
        logger.warning("%d validation people are too few to compare the trained encoder with its base: '%s' is %s", found.people, alias, served)
    elif choice == "tuned":
        logger.log(NOTICE, "the trained encoder beats its base and becomes '%s' (%s)", alias, scores)
    elif choice == "base":
        logger.warning("the trained encoder does NOT beat its base: the untouched base is '%s' (%s)", alias, scores)
    else:
        logger.warning("'%s' stays what it was: it scores %.3f (%s)", alias, found.current, scores)
