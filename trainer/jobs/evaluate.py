"""Entry point of `kindred trainer evaluate`."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from conf.arguments import JobArguments
from conf.errors import ContractError, EncoderError
from lake import arrow_tables, registry
from lake.config import LakeConfig
from lake.encoder import Encoder, EncoderCard, encoder_version, load_encoder, read_card, registered_folder
from lake.examples import EXAMPLES, PERSON_LABELS, HeldOutActs, Kind, Topics
from lake.job_runs import Inputs, inputs_now, job_run
from lake.labels import ITEMS
from lake.presence import has_table
from lake.rendering import QueryFormat
from lake.units import IDENTITIES
from trainer import arguments as trainer_arguments
from trainer import tracking
from trainer.config import EvaluationConfig, TrainerConfig
from trainer.evaluation.alike import who_is_alike
from trainer.evaluation.baselines import pasts_of
from trainer.evaluation.catalogue import catalogue_questions
from trainer.evaluation.comparison import EvaluationResult, ReadQueries, Score, ToldTopics, item_findings, read_queries
from trainer.evaluation.encoder_shape import people_shape_scores
from trainer.evaluation.features.attributes import Attributes, attributes_hash, check_known, read_attributes
from trainer.evaluation.features.found import Guesses
from trainer.evaluation.features.judging import given_away, use_as_feature
from trainer.evaluation.history_vectors import HistoryVectors
from trainer.evaluation.identity import who_is_it
from trainer.evaluation.parts import ToldApart
from trainer.evaluation.people import (
    BATCH_ROWS,
    acting_people,
    acts_held_out,
    askable_people,
    asked_examples,
    asked_topics,
    catalogue_items,
    check_acts,
    check_topics,
    entering_people,
    items_of_training,
    label_items,
    never_met,
    people_of,
    split_known_by,
    told_apart,
)
from trainer.evaluation.questions import Example, Questions, questions_of, title_questions
from trainer.evaluation.rankings import ranking_hashes, rankings_of
from trainer.evaluation.report import flat_numbers, report_text
from trainer.evaluation.shape import Shape, ShapeScore
from trainer.evaluation.shown import ShownPerson
from trainer.evaluation.user_user import UserUser
from trainer.fingerprint import EVALUATE, EVALUATION_VERSION
from trainer.publishing import encoder_folder
from trainer.student import base_of

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(trainer_arguments.evaluate(argv))


def run_job(arguments: JobArguments) -> None:
    """Evaluate, and print what was found."""
    result = evaluate(arguments.section("lake", LakeConfig), arguments.section("trainer", TrainerConfig), arguments.values.encoder)
    print(result.model_dump_json(indent=2) if arguments.values.json else report_text(result))


def evaluate(lake: LakeConfig, config: TrainerConfig, encoder: str | None = None) -> EvaluationResult:
    """What the people of split test (or validation, where settings ask so), or acts held out of everybody's training, say of an encoder (by what `publishing.encoder_folder` finds it by; None: the registered one);
    what was found before where nothing that decides it has changed.

    Raises ContractError without such people, EncoderError without encoder, or with one that does not say whom it met, ConfigError for rankings that cannot be read.
    """
    folder = registered_folder(lake) if encoder is None else encoder_folder(lake, encoder)
    registry.connect(lake)  # the encoder may be of another one
    card = read_card(folder)
    topics = asked_topics(card, config.evaluation)
    reads = (EXAMPLES, *(spec for spec in (ITEMS, *((PERSON_LABELS,) if topics else ())) if has_table(lake, spec)))
    settings = config.evaluation.model_dump() | {
        "popularity_weights": [card.popularity_weights, card.popularity_weights_of_base],  # no part of the encoder's version
        "rankings": ranking_hashes(config.evaluation.rankings),
        "attributes": attributes_hash(config.evaluation.attributes),
    }
    optional = (IDENTITIES,) if config.evaluation.attributes else ()
    read = inputs_now(lake, reads, optional, settings=settings, encoder_version=encoder_version(folder), code=EVALUATION_VERSION)
    tags = {tracking.INPUTS: read.fingerprint}
    found = tracking.finished_evaluation(tags)
    if found is not None:
        logger.info("%s: nothing changed since this encoder was evaluated", EVALUATE)
        return EvaluationResult(**found)
    with job_run(lake, EVALUATE, {"trainer": config}) as record:
        record.versions_read.update(read.versions)
        result, shown = judged(lake, config, read, load_encoder(folder))
        record.rows.update({"people": result.people, "queries": result.queries, "catalogue people": result.catalogue_people})
        record.rows.update({"people as features": result.as_feature.people} if result.as_feature else {})
        record.rows.update({"pairs": result.user_user.likeness.pairs} if result.user_user else {})
        log_result(lake, config, read, tags, result, shown)
    return result


def judged(lake: LakeConfig, config: TrainerConfig, read: Inputs, tuned: Encoder) -> tuple[EvaluationResult, list[ShownPerson]]:
    """Scores of the encoder, its base and the baselines on these versions of the tables, and a few of the people who were asked."""
    if tuned.card.may_have_met_anybody:
        raise EncoderError(f"encoder {tuned.version} does not say who was held out from its training: it may have met anybody; run 'kindred trainer train'")
    base = base_of(tuned)
    items, of_apps = label_items(lake, read.versions), catalogue_items(lake, read.versions)
    version, settings, query_format = read.version(EXAMPLES), config.evaluation, tuned.card.query_format
    acts = acts_held_out(lake, version)
    check_acts(tuned.card, acts, version)
    attributes = attributes_to_tell(lake, version, settings.attributes)
    people = people_of_acts(lake, version, acts, query_format, settings) if acts else people_to_judge(lake, version, items, tuned.card, settings)
    questions = questions_of(people.labelled, items, settings.communities, [query_format])
    titles = title_questions(people.entering, settings.communities, [query_format])
    acted_on = catalogue_questions(people.acting, of_apps, settings.held_out_part if acts else None, settings.communities, [query_format])
    check_read(questions, titles, acted_on)
    topics = told_apart(lake, read.versions, tuned.card, asked_topics(tuned.card, settings)) if questions.people else None
    train_cuts = arrow_tables.read_batches(lake, EXAMPLES, ("cuts",), ds.field("split") == "train", version, BATCH_ROWS) if questions.people else ()
    of_labels, of_titles, of_items = read_queries(tuned, base, questions, titles, acted_on)
    training = pasts_of((cuts for batch in train_cuts for cuts in batch["cuts"].to_pylist()), questions)
    check_topics(topics, questions, training)
    training_items: dict[Kind, list[np.ndarray]] = {"catalogue": items_of_training(lake, version, of_apps)} if acted_on.people else {}
    rankings = rankings_of(settings.rankings, of_apps)
    found = [
        item_findings(tuned, base, questions, of_labels, training, settings, rankings, topics),
        item_findings(tuned, base, titles, of_titles, {}, settings),
        item_findings(tuned, base, acted_on, of_items, training_items, settings, rankings),
    ]
    known = HistoryVectors()
    split = None if acts else split_known_by(lake, version, people.askers[: settings.max_alike_people])
    result = EvaluationResult(
        encoder_version=tuned.version,
        base_version=base.version,
        base_model=tuned.card.base_model,
        max_tokens=tuned.card.max_tokens,
        versions_read=read.versions,
        people=questions.people,
        queries=len(questions.histories),
        title_people=titles.people,
        title_queries=len(titles.histories),
        held_out_acts=acts,
        held_out_part=settings.held_out_part,
        catalogue_people=acted_on.people,
        catalogue_queries=len(acted_on.histories),
        future_queries=int((questions.periods == "future").sum()),
        items={kind: len(answers.texts) for kind, answers in (questions.levels | titles.levels | acted_on.levels).items()},
        interval=config.evaluation.interval,
        matched_days=config.evaluation.matched_days,
        matched_min_others=config.evaluation.matched_min_others,
        same_meaning_cosine=config.evaluation.same_meaning_cosine,
        temperature=tuned.card.temperature,
        popularity_weights=tuned.card.popularity_weights,
        popularity_weights_of_base=tuned.card.popularity_weights_of_base,
        platforms_met=tuned.card.platforms,
        platforms_asked=sorted({unit["platform"] for asked in (questions, titles, acted_on) for history in asked.histories for unit in history}),
        topics=told_topics(topics, asked_topics(tuned.card, settings), found[0].scores),
        kept=[gain for each in found for gain in each.kept],
        scores=[score for each in found for score in each.scores],
        user_user=None if acts else user_user(lake, version, people, split, tuned, base, settings, known),
        as_feature=as_feature(lake, version, people.strangers[: settings.max_feature_people], split, tuned, base, settings, known),
        given_away=privacy(lake, version, people.strangers, attributes, tuned, base, settings),
        shape=Shape(
            scores=[
                *(score for each in found for score in each.shape),
                *shape_of_people(tuned, base, settings, (questions, of_labels), (titles, of_titles), (acted_on, of_items)),
            ],
            stored=[score for each in found for score in each.stored],
        ),
    )
    return result, next((each.shown[kind] for each in found for kind in ("specific", "title") if each.shown.get(kind)), [])


def told_topics(topics: ToldApart | None, wanted: Topics | None, scores: Sequence[Score]) -> ToldTopics | None:
    """Which topics were told apart, as the result says it; None where none were, which is said where somebody was asked for them."""
    if topics is None or wanted is None:
        return None
    if not any(score.cuts in topics.names for score in scores):
        logger.warning("topics are not told apart: of those who are asked nobody has one of them, or nobody another, after a cut")
        return None
    return ToldTopics(topics=wanted, broad=topics.broad, broad_in_all=topics.broad_in_all, are_held_out=topics.are_held_out)


def shape_of_people(tuned: Encoder, base: Encoder, settings: EvaluationConfig, *asked: tuple[Questions, ReadQueries]) -> list[ShapeScore]:
    """How people lie among people, by the first of these questions that somebody is asked."""
    questions, read = next((each for each in asked if each[0].people), asked[0])
    return people_shape_scores(questions, {"tuned": read.vectors[tuned.version], "base": read.vectors[base.version]}, settings)


def user_user(
    lake: LakeConfig, version: int, people: "PeopleToJudge", split: datetime | None, tuned: Encoder, base: Encoder, settings: EvaluationConfig, known: HistoryVectors
) -> UserUser:  # fmt: skip
    """Who is it, and who is alike on both sides of the time split; histories are read from the table as they are needed, a few at a time."""
    read = partial(people_of, lake, version, query_format=tuned.card.query_format)
    return UserUser(
        identity=who_is_it(partial(read, people.askers, people.others), tuned, base, settings),
        likeness=who_is_alike(read(people.askers[: settings.max_alike_people], ()), split, tuned, base, settings, known),
    )


def as_feature(
    lake: LakeConfig, version: int, strangers: Sequence[str], split: datetime | None, tuned: Encoder, base: Encoder, settings: EvaluationConfig, known: HistoryVectors
) -> Guesses | None:  # fmt: skip
    """What strangers do in the month after the time split, guessed from their vectors; vectors of pasts that were made for who is alike are `known`."""
    asked = partial(people_of, lake, version, strangers, (), tuned.card.query_format)
    return use_as_feature(asked, split, tuned, base, settings, known) if strangers else None


def privacy(
    lake: LakeConfig, version: int, strangers: Sequence[str], attributes: Attributes, tuned: Encoder, base: Encoder, settings: EvaluationConfig
) -> Guesses | None:  # fmt: skip
    """What vectors of strangers give away of attributes; None where there are none to tell."""
    asked = [person_id for person_id in strangers if any(person_id in values for values in attributes.values())][: settings.max_feature_people]
    return (
        given_away(people_of(lake, version, asked, (), tuned.card.query_format), attributes, tuned, base, settings)
        if attributes and strangers and settings.max_feature_people != 0
        else None
    )


def attributes_to_tell(lake: LakeConfig, version: int, file: str | None) -> Attributes:
    """The attributes that the settings name a file of, if any. Raises ConfigError and ContractError for one that does not fit the lake."""
    attributes = read_attributes(lake, file) if file else {}
    if file:
        check_known(attributes, set(arrow_tables.read(lake, EXAMPLES, ("person_id",), version=version)["person_id"].to_pylist()), file)
    return attributes


def check_read(*asked: Questions) -> None:
    """Say how many cuts have nothing before them that the encoder reads; raise ContractError where that leaves nobody."""
    if unread := sum(questions.unread for questions in asked):
        logger.warning("%d cuts are not asked about: nothing before them has a label, and this encoder reads nothing else", unread)
    if not any(questions.people for questions in asked):
        raise ContractError("examples: nobody of those held out has a label before a cut, and this encoder reads nothing else; label more of their units")


@dataclass(frozen=True)
class PeopleToJudge:
    """People whom the encoder never met: examples of those who are asked about labels, titles and an app's own items, ids of those of whom is asked who they are and who is
    alike; ids of others, among whom they are looked for; and of strangers whose vectors are used as features. Where acts are held out, everybody was met, and is asked about items alone."""

    labelled: list[Example]
    entering: list[Example]
    acting: list[Example]
    askers: list[str]
    others: list[str]
    strangers: list[str]


def people_of_acts(lake: LakeConfig, version: int, acts: HeldOutActs, query_format: QueryFormat, settings: EvaluationConfig) -> PeopleToJudge:
    """Those who are asked about held-out acts, in the order of their ids, as many as the settings take. Raises ContractError where there are none."""
    part = settings.held_out_part
    acting = acting_people(lake, version, "train", part, settings.communities)[: settings.max_catalogue_people]
    if not acting:
        raise ContractError(
            f"examples: nobody acts on an item among the acts of part {part!r} that are held out ('{acts}'); set trainer.examples.validation_share or past_share otherwise"
        )
    return PeopleToJudge([], [], asked_examples(lake, version, acting, [query_format]), [], [], [])


def people_to_judge(lake: LakeConfig, version: int, items: pa.Table, card: EncoderCard, settings: EvaluationConfig) -> PeopleToJudge:
    """The people of split test, or validation, who can be asked and whom the encoder never met, and others; all in the order of their ids, as many as the settings take.

    The card is what the encoder says of itself: `examples` may have been cut anew since, with other shares. Units have their labels where it reads them. Raises ContractError where nobody is left.
    """
    part = settings.held_out_part
    strangers = never_met(lake, version, card, part)
    labelled_people = askable_people(lake, version, part, items, settings.communities)
    entering = entering_people(lake, version, part, settings.communities)
    acting = acting_people(lake, version, part, None, settings.communities)
    everybody = set(labelled_people) | set(entering) | set(acting)
    if met := everybody - strangers:
        logger.warning("%d of %d people of split '%s' are not asked: this encoder was trained or chosen on them", len(met), len(everybody), part)
    if not everybody & strangers:
        all_met = f", and this encoder met all {len(met)} that there are" if met else ""
        raise ContractError(
            f"examples: nobody of split '{part}' with a label or a titled thread after a cut to evaluate on"
            f"{all_met}; raise trainer.examples.{part}_share, read more of an archive, or train anew"
        )
    asked = [person_id for person_id in labelled_people if person_id in strangers][: settings.max_people]
    about_titles = [person_id for person_id in entering if person_id in strangers][: settings.max_title_people]
    about_items = [person_id for person_id in acting if person_id in strangers][: settings.max_catalogue_people]
    known = arrow_tables.read(lake, EXAMPLES, ("person_id",), version=version)["person_id"].to_pylist()
    askers = sorted(everybody & strangers)[: settings.max_askers]
    others = sorted(set(known) - set(askers))[: settings.max_other_people]
    labelled, to_enter, to_act = (asked_examples(lake, version, each, [card.query_format]) for each in (asked, about_titles, about_items))
    return PeopleToJudge(labelled, to_enter, to_act, askers, others, sorted(strangers))


def log_result(lake: LakeConfig, config: TrainerConfig, read: Inputs, tags: dict[str, str], result: EvaluationResult, shown: list[ShownPerson]) -> None:
    """One MLflow run named 'evaluate' with the settings, what was read, every number, and the people to show."""
    facts = result.model_dump(
        include={"encoder_version", "base_version", "base_model", "max_tokens", "people", "queries", "title_people", "held_out_acts", "catalogue_people"}
    )
    with tracking.evaluation_run({**facts, **config.evaluation.model_dump()}, tags):
        registry.log_inputs(lake, {spec: read.version(spec) for spec in (EXAMPLES, ITEMS) if spec.name in read.versions}, context="evaluation")
        tracking.log_metrics(flat_numbers(result))
        tracking.log_evaluation(result.model_dump())
        tracking.log_shown_people([person.model_dump(mode="json") for person in shown])


if __name__ == "__main__":
    main()
