"""One training run from tables to the registry: train, compare with the base, register, move the alias, in this order."""

import logging
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
from trainer.champion import Choice, Comparison, Lead, choose_champion
from trainer.config import TrainerConfig
from trainer.evaluation.metrics import pairs_mean
from trainer.evaluation.people import askable_people, examples_of
from trainer.evaluation.questions import FUTURES, Questions, questions_of
from trainer.evaluation.scores import encoder_wins, plain_contest
from trainer.examples.cuts import held_out
from trainer.fingerprint import ITEM_COLUMNS, TRAIN, Plan
from trainer.student import base_encoder, content_version
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
    labels = items.filter(pc.equal(items["source"], "labels"))
    asked = askable_people(lake, plan.versions["examples"], "validation", labels)[: config.evaluation.max_people]
    return questions_of(examples_of(lake, plan.versions["examples"], asked, ("person_id", "history", "cuts")).to_pylist(), labels)


def fine_tuned(training: TrainingSet, config: TrainerConfig, plan: Plan, accelerator: Accelerator) -> Encoder:
    """The encoder after training. The main process alone speaks."""
    encoder = base_encoder(config, str(accelerator.device))
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
    card = encoder.card.model_copy(update={"trained_on": plan.versions, "held_out": held_out(config.examples)})
    return Encoder(encoder.model, card, content_version(encoder.model, card))


def register_winner(lake: LakeConfig, config: TrainerConfig, plan: Plan, tuned: Encoder, questions: Questions) -> None:
    """Register the tuned encoder, and its base where that wins; then, last, move the aliases."""
    base = base_encoder(config, str(tuned.model.device))
    served = base if tracking.champion_version(lake) == base.version else served_encoder(lake)
    current = served if served is not None and served is not base and is_comparable(served, held_out(config.examples)) else None
    found = compared(tuned, base, current, questions, config.evaluation.interval, is_served=served is not None)
    choice = choose_champion(found, config.evaluation.min_people_to_choose, config.shuffle_labels)
    tracking.log_metrics(found.metrics())
    tuned_version = tracking.register(lake, tuned, plan.tags)
    champion = {"tuned": tuned_version, "base": None, "current": None}[choice]
    if choice == "base":
        champion = tracking.register(lake, base, plan.tags)
    tracking.move_alias(lake, tracking.TRAINED, tuned_version)
    if champion is not None:
        tracking.move_alias(lake, lake.encoder_alias, champion)
    say_choice(choice, found, config.evaluation.min_people_to_choose, lake.encoder_alias)


def served_encoder(lake: LakeConfig) -> Encoder | None:
    """The champion so far; None where there is none that this program can use."""
    try:
        return load_registered(lake)
    except EncoderError:
        return None


def is_comparable(champion: Encoder, shares: HeldOut) -> bool:
    """Whether a champion was surely not trained on those who are asked."""
    if champion.card.may_have_met_anybody or champion.card.held_out not in (None, shares):
        logger.warning("the champion so far, %s, held out other people: it may know those who are asked, and is not compared", champion.version)
        return False
    return True


def compared(tuned: Encoder, base: Encoder, current: Encoder | None, questions: Questions, interval: float, is_served: bool) -> Comparison:
    """Personal AUC of the encoders at the specific level, and their paired differences."""
    everybody = np.ones(len(questions.person), bool)
    contests = {futures: plain_contest(questions, "specific", futures, everybody) for futures in FUTURES}
    encoders = {"tuned": tuned, "base": base} | ({} if current is None else {"champion_so_far": current})
    wins = {name: encoder_wins(encoder, questions, "specific", contests) for name, encoder in encoders.items()}

    def lead(ahead: str, behind: str) -> Lead:
        return Lead(*(pairs_mean(wins[ahead][futures] - wins[behind][futures], interval) for futures in FUTURES))

    return Comparison(
        personal_auc={name: pairs_mean(found["all"], interval).mean for name, found in wins.items()},
        tuned_over_base=lead("tuned", "base"),
        tuned_over_current=None if current is None else lead("tuned", "champion_so_far"),
        base_over_current=None if current is None else lead("base", "champion_so_far"),
        is_served=is_served,
    )


def say_choice(choice: Choice, found: Comparison, min_people: int, alias: str) -> None:
    """One line on who is served and why."""
    scores = ", ".join(f"{name.replace('_', ' ')} {score:.3f}" for name, score in found.personal_auc.items())
    facts = f"validation personal AUC: {scores}; tuned - base {found.tuned_over_base}; {found.people} people"
    served = "the untouched base" if choice == "base" else "what it was"
    if found.people < min_people:
        words = "%d validation people are too few to choose an encoder by, trainer.evaluation.min_people_to_choose is %d: '%s' is %s"
        logger.warning(words, found.people, min_people, alias, served)
    elif choice == "tuned":
        logger.log(NOTICE, "the trained encoder beats its base and becomes '%s' (%s)", alias, facts)
    elif found.tuned_over_base.is_clear and found.tuned_over_current is not None:
        logger.warning("'%s' stays what it was: the trained encoder is not clearly ahead of it, %s (%s)", alias, found.tuned_over_current, facts)
    else:
        logger.warning("the trained encoder does NOT clearly beat its base: '%s' is %s (%s)", alias, served, facts)
