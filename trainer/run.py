"""One training run from tables to the registry: train, compare with the base, register, move the alias, in this order."""

import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.dataset as ds
from accelerate import Accelerator
from tqdm import tqdm

from conf.errors import ContractError, EncoderError
from conf.logs import NOTICE, Pace
from lake import arrow_tables, registry
from lake.config import LakeConfig
from lake.encoder import Encoder, load_registered, read_card, registered_folder
from lake.examples import EXAMPLES, HeldOut, Kind, topics_as_json
from lake.job_runs import job_run
from lake.labels import ITEMS
from lake.models import base_licence, public_name
from lake.rendering import QueryFormat
from trainer import publishing, tracking
from trainer.champion import Choice, Comparison, Lead, choose_champion
from trainer.config import Source, TrainerConfig, TrainingConfig
from trainer.evaluation.catalogue import catalogue_questions
from trainer.evaluation.metrics import pairs_mean
from trainer.evaluation.people import (
    acting_people,
    askable_people,
    asked_examples,
    catalogue_items,
    entering_people,
    kinds_of_acts_held_out,
    label_items,
    platforms_met,
    topics_held_out,
    training_counts,
)
from trainer.evaluation.popularity import fitted_weights
from trainer.evaluation.probe import probe_scores
from trainer.evaluation.questions import FUTURES, Questions, questions_of, title_questions
from trainer.evaluation.scores import encoder_wins, plain_contest
from trainer.examples.cuts import held_out
from trainer.fingerprint import TRAIN, Plan
from trainer.model_card import Provenance
from trainer.student import base_encoder, content_version, finish, student_encoder
from trainer.training.checkpoints import Checkpoints, checkpoints_of_run
from trainer.training.cuts_table import read_cuts
from trainer.training.loop import Step, train
from trainer.training.sharding import whole_model
from trainer.training.stream import ExampleStream

logger = logging.getLogger(__name__)
HELD_OUT_OF = {"train": ("validation", "test"), "validation": ("test",)}
"""Split of a row of `examples` -> those in which its person may not be."""


def train_registered(lake: LakeConfig, config: TrainerConfig, plan: Plan, accelerator: Accelerator) -> None:
    """Train on all processes; the main one alone keeps the record, compares and registers."""
    check_held_out(lake, config, plan)
    stream = ExampleStream(lake, config, read_cuts(lake, plan.versions["examples"]), accelerator.process_index, accelerator.num_processes)
    stream.check_labels()
    stream.check_processes()
    if not stream.steps:
        asked = " or ".join(sorted({source for phase in config.phases for source in phase.epochs}))
        raise ContractError(
            f"examples: no person of split 'train' has a cut with {asked}; read more of an archive or label more, then run 'kindred trainer examples'"
        )
    checkpoints = checkpoints_of_run(lake, config, plan.tags[tracking.INPUTS], accelerator)
    if not accelerator.is_main_process:
        fine_tuned(stream, config, plan, accelerator, checkpoints)
        return
    stream.warn_of_row_groups()
    if unread := stream.unread_people:
        logger.warning("%d people are not trained on: nothing before their cuts has a label, and trainer.query_format reads nothing else", unread)
    made = words_of_training(config, stream.people)
    run = tracking.training_run(config, plan.tags, accelerator.num_processes, f"train {made}")
    with job_run(lake, TRAIN, {"trainer": config}) as record, run:
        record.versions_read.update(plan.versions)
        record.rows.update({f"people with {source}": people for source, people in stream.people.items() if people})
        record.dropped.update({"people: no label to read": unread} if unread else {})
        registry.log_inputs(lake, {spec: plan.versions[spec.name] for spec in (EXAMPLES, ITEMS) if spec.name in plan.versions})
        tuned = fine_tuned(stream, config, plan, accelerator, checkpoints)
        assert tuned is not None  # on the main process
        questions = read_validation_questions(lake, config, plan)
        record.rows["validation people"] += questions.people
        register_winner(lake, config, plan, tuned, questions, made)
    if checkpoints:
        checkpoints.remove()


def check_held_out(lake: LakeConfig, config: TrainerConfig, plan: Plan) -> None:
    """Raise ContractError where somebody would be trained on whom the settings hold out, or an encoder chosen by whom it is to be judged by: the registry would
    say of the encoder what is not so."""
    shares, people, wrong = held_out(config.examples), 0, 0
    found = kinds_of_acts_held_out(lake, plan.versions["examples"])
    if found - {shares.acts}:
        raise ContractError(
            f"examples: they hold out {sorted(map(str, found))}, and trainer.examples.held_out_acts is {shares.acts}; run 'kindred trainer examples' with these settings"
        )
    topics = topics_held_out(lake, plan.versions["examples"])
    if topics - {topics_as_json(shares.topics)}:
        raise ContractError(
            f"examples: of topics they hold out {sorted(map(str, topics))}, and trainer.examples.held_out_topics is {topics_as_json(shares.topics)}; run 'kindred trainer examples' with these settings"
        )
    columns = ("person_id", "communities", "split")
    for batch in arrow_tables.read_batches(lake, EXAMPLES, columns, ds.field("split") != "test", plan.versions["examples"]):
        people += batch.num_rows
        rows = zip(*(batch[name].to_pylist() for name in columns), strict=True)
        wrong += sum(shares.split_of(person_id, communities) in HELD_OUT_OF[split] for person_id, communities, split in rows)
    if wrong:
        raise ContractError(
            f"examples: {wrong} of {people} people to train on or to choose by are held out by trainer.examples.validation_share {shares.validation_share:g}, "
            f"test_share {shares.test_share:g} and held_out_communities {list(shares.communities)}; run 'kindred trainer examples' with these settings"
        )


def read_validation_questions(lake: LakeConfig, config: TrainerConfig, plan: Plan) -> Questions:
    """The cuts of people of split validation, as many people as the settings take, and their labels; where too few have one, the titles that they enter next. Where
    acts are held out of everybody, what they then act on of an app's own items."""
    version, labels = plan.versions["examples"], label_items(lake, plan.versions)
    formats = {config.query_format, *served_formats(lake)}
    if config.examples.held_out_acts:
        acting = acting_people(lake, version, "train", "validation", None)[: config.evaluation.max_catalogue_people]
        return catalogue_questions(asked_examples(lake, version, acting, formats), catalogue_items(lake, plan.versions), "validation", None, formats)
    asked, enough = askable_people(lake, version, "validation", labels, None)[: config.evaluation.max_people], config.evaluation.min_people_to_choose
    entering = [] if len(asked) >= enough else entering_people(lake, version, "validation", None)[: config.evaluation.max_title_people]
    if is_chosen_by_labels(len(asked), len(entering), enough):
        return questions_of(asked_examples(lake, version, asked, formats), labels, None, formats)
    logger.info("examples: %d people of split 'validation' have a label after a cut: encoders are compared by titles of what people enter next", len(asked))
    return title_questions(asked_examples(lake, version, entering, formats), None, formats)


def is_chosen_by_labels(labelled: int, entering: int, enough: int) -> bool:
    """Whether encoders are compared by labels, which so many validation people have, or by titles of what so many enter."""
    return labelled >= enough or 0 < labelled >= entering


def served_formats(lake: LakeConfig) -> list[QueryFormat]:
    """What the champion so far reads histories as; nothing where there is none that this program can use."""
    try:
        return [read_card(registered_folder(lake)).query_format]
    except EncoderError:
        return []


def fine_tuned(stream: ExampleStream, config: TrainerConfig, plan: Plan, accelerator: Accelerator, checkpoints: Checkpoints | None) -> Encoder | None:
    """The encoder after training, on the main process alone, which alone speaks, and logs no step of a run that goes on twice."""
    encoder = student_encoder(config, str(accelerator.device))
    speaks, pace = accelerator.is_main_process, Pace()
    logged = tracking.last_logged_step() if speaks else 0
    temperature: float | None = None

    def taken() -> Iterator[Step]:
        nonlocal temperature
        temperature = yield from train(encoder, stream, config, accelerator, checkpoints)

    for step in tqdm(taken(), total=stream.steps, unit="step", disable=not (speaks and sys.stderr.isatty())):
        if speaks and step.number > logged:
            tracking.log_metrics(step.metrics(), step.number)
        if speaks and (pace.is_due() or step.number == stream.steps):
            words = "step %d of %d, loss %.3f at temperature %.3f, %.0f tokens/s"
            logger.log(NOTICE, words, step.number, stream.steps, step.loss, step.temperature, step.counts["tokens_per_second"])
    model = whole_model(encoder.model, lambda: student_encoder(config, str(accelerator.device)).model, keep=accelerator.is_main_process)
    if model is None:
        return None
    finish(model, config)
    met = {"platforms": platforms_met(stream.lake, plan.versions["examples"]), "held_out": held_out(config.examples)}
    card = encoder.card.model_copy(update={"temperature": temperature, "trained_on": plan.versions, **met})
    return Encoder(model, card, content_version(model, card))


def words_of_training(config: TrainerConfig, people: Mapping[Source, int]) -> str:
    """What is trained on whose answers, in the order of the phases; `people` is how many have some, by source."""
    sources = dict.fromkeys(source for phase in config.phases for source in phase.epochs if people[source])
    answers = " and ".join(f"{'catalogue items' if source == 'catalogue' else source} of {people[source]} people" for source in sources)
    return f"{public_name(config.base_model)} on {answers}" + (", shuffled" if config.shuffle_labels else "")


def register_winner(lake: LakeConfig, config: TrainerConfig, plan: Plan, tuned: Encoder, questions: Questions, made: str) -> None:
    """Register the tuned encoder, and its base where that wins; then, last, move the aliases."""
    base = base_encoder(config, str(tuned.model.device))
    served = base if publishing.champion_version(lake) == base.version else served_encoder(lake)
    current = served if served is not None and served is not base and is_comparable(served, held_out(config.examples)) else None
    vectors = {encoder.version: encoder.encode_histories(questions.histories) for encoder in (tuned, base, current) if encoder is not None}
    found = compared(tuned, base, current, questions, vectors, config.evaluation.interval, is_served=served is not None)
    tuned, base = with_popularity_weights(lake, config, plan, tuned, base, questions, vectors)
    choice = choose_champion(found, config.evaluation.min_people_to_choose, config.shuffle_labels)
    probe = probe_scores(tuned, base)
    tracking.log_metrics(found.metrics() | probe.metrics())
    known = Provenance("trained", f"fine-tuned from {made}", base.version, base_licence(config.base_model), settings_of(config), found, probe)
    tuned_version = publishing.register(lake, tuned, plan.tags, known)
    champion = {"tuned": tuned_version, "base": None, "current": None}[choice]
    if choice == "base":
        untouched = replace(known, kind="base", made=f"the untouched base, beside what was {known.made}", settings={})
        champion = publishing.register(lake, base, plan.tags, untouched)
    registry.move_alias(lake, publishing.TRAINED, tuned_version)
    if champion is not None:
        registry.move_alias(lake, lake.encoder_alias, champion)
    say_choice(choice, found, config.evaluation.min_people_to_choose, lake.encoder_alias)
    logger.info("general probe: MRR %.3f, base %.3f; cosine distance to the base %.3f", probe.probe_mrr_tuned, probe.probe_mrr_base, probe.distance_to_base)


def settings_of(config: TrainerConfig) -> dict[str, Any]:
    """What of the settings decided the weights, as it may be read by others."""
    settings = config.model_dump(mode="json", include=set(TrainingConfig.model_fields))
    return settings | {"base_model": public_name(config.base_model)}


def served_encoder(lake: LakeConfig) -> Encoder | None:
    """The champion so far; None where there is none that this program can use."""
    try:
        return load_registered(lake)
    except EncoderError:
        return None


def is_comparable(champion: Encoder, shares: HeldOut) -> bool:
    """Whether a champion was surely not trained on those who are asked."""
    held_out = champion.card.held_out
    if champion.card.may_have_met_anybody or not (held_out is None or held_out.holds_out_same_people(shares)):
        logger.warning("the champion so far, %s, held out other people: it may know those who are asked, and is not compared", champion.version)
        return False
    return True


def with_popularity_weights(
    lake: LakeConfig, config: TrainerConfig, plan: Plan, tuned: Encoder, base: Encoder, questions: Questions, vectors: Mapping[str, np.ndarray]
) -> tuple[Encoder, Encoder]:  # fmt: skip
    """Both encoders, their cards with what popularity weighs beside their cosines; as they are where too few people with a label are there to fit it."""
    if "specific" not in questions.levels or questions.people < config.evaluation.min_people_to_choose:
        return tuned, base
    counts = training_counts(lake, plan.versions["examples"], questions)
    of_tuned, of_base = (fitted_weights(encoder, questions, vectors[encoder.version], counts, config.evaluation) for encoder in (tuned, base))
    logger.info("beside a cosine the logarithm of an item's count weighs %s; beside one of the base, %s", of_tuned, of_base)
    found = {"popularity_weights": of_tuned, "popularity_weights_of_base": of_base}
    return _with_card(tuned, found), _with_card(base, found | {"popularity_weights": of_base})


def _with_card(encoder: Encoder, changes: Mapping[str, Any]) -> Encoder:
    """The encoder with changes in its card that change no vector, and so not its version."""
    return Encoder(encoder.model, encoder.card.model_copy(update=changes), encoder.version)


def compared(
    tuned: Encoder, base: Encoder, current: Encoder | None, questions: Questions, vectors: Mapping[str, np.ndarray], interval: float, is_served: bool
) -> Comparison:  # fmt: skip
    """Personal AUC of the encoders at the specific level, or on titles or an app's own items where these are asked about, and their paired differences; `vectors` (B, D) are
    those of the questions' histories, by the encoder's version."""
    everybody = np.ones(len(questions.person), bool)
    kind: Kind = "specific" if "specific" in questions.levels else next(iter(questions.levels))
    contests = {futures: plain_contest(questions, kind, futures, everybody) for futures in FUTURES}
    encoders = {"tuned": tuned, "base": base} | ({} if current is None else {"champion_so_far": current})
    wins = {name: encoder_wins(encoder, questions, vectors[encoder.version], kind, contests) for name, encoder in encoders.items()}

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
