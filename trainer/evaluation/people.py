"""Who can be asked, and what stands in `examples` of them (edge)."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake.exceptions import DeltaError

from conf.errors import ConfigError, ContractError, EncoderError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import EncoderCard
from lake.examples import EXAMPLES, PERSON_LABELS, HeldOutActs, Kind, Split, Topics, topics_as_json, topics_of
from lake.labels import ITEMS, LABELS_SOURCE, LEVELS, Level
from lake.rendering import READS_LABELS, QueryFormat
from trainer.config import EvaluationConfig
from trainer.evaluation.alike import time_split
from trainer.evaluation.baselines import label_counts
from trainer.evaluation.catalogue import AppItems, app_items, people_with_items, trained_items
from trainer.evaluation.halves import Person
from trainer.evaluation.parts import ToldApart
from trainer.evaluation.questions import Example, Questions, people_to_ask, people_who_enter, with_labels
from trainer.topics import topic_labels

logger = logging.getLogger(__name__)
BATCH_ROWS = 64
"""Histories and cuts in memory at once where a table is gone through."""
LABELS_AT_ONCE = 1_000_000


def label_items(lake: LakeConfig, versions: Mapping[str, int]) -> pa.Table:
    """The items made of labels, at the version of `items` that is read; none where it is not read."""
    return _items(lake, versions, ds.field("source") == LABELS_SOURCE)


def catalogue_items(lake: LakeConfig, versions: Mapping[str, int]) -> AppItems:
    """The apps' own items, at the version of `items` that is read; none where it is not read."""
    return app_items(_items(lake, versions, ds.field("source") != LABELS_SOURCE))


def _items(lake: LakeConfig, versions: Mapping[str, int], where: ds.Expression) -> pa.Table:
    columns = ("item_id", "level", "text")
    if ITEMS.name not in versions:
        return pa.table({name: pa.array([], pa.string()) for name in columns})
    return arrow_tables.read(lake, ITEMS, columns, where, versions[ITEMS.name])


def askable_people(lake: LakeConfig, version: int, split: Split, items: pa.Table, communities: Sequence[str] | None) -> list[str]:
    """`person_id`s, sorted, of the people of a split who have a label among the items after a cut (in these communities, if given)."""
    return people_to_ask(_cuts(lake, version, split), items, communities)


def entering_people(lake: LakeConfig, version: int, split: Split, communities: Sequence[str] | None) -> list[str]:
    """`person_id`s, sorted, of the people of a split, labelled or not, who enter a titled thread after a cut (in these communities, if given)."""
    return people_who_enter(_cuts(lake, version, split), communities)


def acting_people(lake: LakeConfig, version: int, split: Split, part: Split | None, communities: Sequence[str] | None) -> list[str]:
    """`person_id`s, sorted, of the people of a split who act on an app's own item after a cut of this part of the held-out acts (None: where people are held out), in these
    communities, if given."""
    return people_with_items(_cuts(lake, version, split), part, communities)


def items_of_training(lake: LakeConfig, version: int, items: AppItems) -> list[np.ndarray]:
    """What each person of split train acted on, as `trained_items` has it."""
    columns = ("acted_on", "cuts", "trained_units")
    batches = arrow_tables.read_batches(lake, EXAMPLES, columns, ds.field("split") == "train", version, BATCH_ROWS)
    return trained_items((row for batch in batches for row in batch.to_pylist()), items)


def kinds_of_acts_held_out(lake: LakeConfig, version: int) -> set[HeldOutActs | None]:
    """Which acts `examples` hold out of everybody's training; None where whole people are. More than one kind in no table of this program."""
    return set(arrow_tables.read(lake, EXAMPLES, ("held_out_acts",), version=version)["held_out_acts"].unique().to_pylist())


def acts_held_out(lake: LakeConfig, version: int) -> HeldOutActs | None:
    """The one kind of acts that `examples` hold out; None where whole people are."""
    return next((acts for acts in kinds_of_acts_held_out(lake, version) if acts is not None), None)


def topics_held_out(lake: LakeConfig, version: int) -> set[str | None]:
    """Which topics `examples` hold out, as JSON; None: none. More than one kind in no table of this program."""
    return set(arrow_tables.read(lake, EXAMPLES, ("held_out_topics",), version=version)["held_out_topics"].unique().to_pylist())


def platforms_met(lake: LakeConfig, version: int) -> list[str]:
    """On which the people of the other splits than test acted, sorted; none, which says that it is not known, where an older Kindred made the rows."""
    platforms = arrow_tables.read(lake, EXAMPLES, ("platforms",), ds.field("split") != "test", version)["platforms"]
    return [] if platforms.null_count else sorted(pc.list_flatten(platforms).unique().to_pylist())


def asked_topics(card: EncoderCard, config: EvaluationConfig) -> Topics | None:
    """The topics that are to be told apart: those of the settings, else those that the encoder was trained without. Raises ConfigError where these are others."""
    wanted, held_out = topics_of(config.topics), card.held_out.topics if card.held_out else None
    if wanted is not None and held_out not in (None, wanted):
        raise ConfigError(
            f"trainer.evaluation.topics: {topics_as_json(wanted)}, but the encoder was trained without {topics_as_json(held_out)}; leave the setting out, to tell those apart"
        )
    return wanted if wanted is not None else held_out


def told_apart(lake: LakeConfig, versions: Mapping[str, int], card: EncoderCard, topics: Topics | None) -> ToldApart | None:
    """The topics as the labels of everybody's units know them; None, and why, where it cannot be told what of them the encoder was trained without."""
    if topics is None:
        return None
    version, is_without = versions[EXAMPLES.name], card.held_out is not None and card.held_out.topics is not None
    if is_without and (card.trained_on.get(EXAMPLES.name) != version or topics_held_out(lake, version) != {topics_as_json(topics)}):
        logger.warning("topics are not told apart: the encoder was trained without some, on other `examples` than version %d; train it on these", version)
        return None
    labels = topic_labels(
        arrow_tables.read_batches(lake, PERSON_LABELS, LEVELS, version=versions[PERSON_LABELS.name]) if PERSON_LABELS.name in versions else (), topics
    )
    if not labels.broad:
        logger.warning("topics are not told apart: none of %d broad labels is one of %s", labels.broad_in_all, topics_as_json(topics))
        return None
    return ToldApart(labels.keys, len(labels.broad), labels.broad_in_all, is_without or not card.trained_on)


def check_topics(topics: ToldApart | None, questions: Questions, training: Mapping[Kind, Sequence[np.ndarray]]) -> None:
    """Raise ContractError where labels of topics that are held out are those of people to train on all the same; `training` is what `pasts_of` has of them."""
    if topics is None or not topics.are_held_out:
        return
    for level, answers in questions.levels.items():
        if (label_counts(training[level], len(answers.texts)) > 0)[topics.among(answers.texts)].any():
            raise ContractError(
                "person_labels: they are of other labels than `examples`, which hold topics out; run 'kindred trainer examples' and 'kindred trainer train' anew"
            )


def check_acts(card: EncoderCard, acts: HeldOutActs | None, version: int) -> None:
    """Raise EncoderError where an encoder may have been trained on acts that it is to be asked about."""
    if card.held_out is None:
        return
    again = "run 'kindred trainer examples' and 'kindred trainer train' with the same trainer.examples.held_out_acts"
    if card.held_out.acts != acts:
        said = [f"the acts '{each}'" if each else "whole people" for each in (card.held_out.acts, acts)]
        raise EncoderError(f"the encoder was trained with {said[0]} held out, and `examples` hold out {said[1]}; {again}")
    if acts and card.trained_on.get(EXAMPLES.name) != version:
        raise EncoderError(f"the encoder was trained on another version of `examples` than {version}: which acts it met cannot be told; {again}")


def never_met(lake: LakeConfig, version: int, card: EncoderCard, part: Split = "test") -> set[str]:
    """`person_id`s of split test whom an encoder that held these out never met; everybody where it met nobody at all, and whoever never acted on a platform that it was trained
    on. Of split validation, those whom it was not trained on, though chosen by, maybe.

    Who acts in a community that it held out may have come there later than its training, and been trained on before.
    """
    columns, held_out, trained_on = ("person_id", "communities", "platforms"), card.held_out, card.trained_on.get(EXAMPLES.name)
    batches = arrow_tables.read_batches(lake, EXAMPLES, columns, ds.field("split") == part, version)
    people = [person for batch in batches for person in zip(*(batch[name].to_pylist() for name in columns), strict=True)]
    if held_out is None:
        return {person_id for person_id, _, _ in people}
    elsewhere = {person_id for person_id, _, platforms in people if card.platforms and platforms and not set(platforms).intersection(card.platforms)}
    if part == "validation":
        return elsewhere | {person_id for person_id, _, _ in people if held_out.split_of(person_id) != "train"}
    by_hash = elsewhere | {person_id for person_id, _, _ in people if held_out.split_of(person_id) == "test"}
    by_place = {person_id for person_id, communities, _ in people if held_out.split_of(person_id, communities) == "test"} - by_hash
    return by_hash | (by_place if trained_on in (None, version) or not by_place else by_place - _met(lake, trained_on, by_place))


def _met(lake: LakeConfig, trained_on: int, people: set[str]) -> set[str]:
    """Those of the people whom a version of `examples` had to train on or to choose by; all of them where it can be read no more."""
    try:
        met = arrow_tables.read(lake, EXAMPLES, ("person_id",), ds.field("split") != "test", trained_on)
    except (ContractError, DeltaError, OSError) as error:
        logger.warning(
            "examples: version %d, which the encoder was trained on, cannot be read (%s): who is held out by a place may have been met", trained_on, error
        )
        return people
    return people & set(met["person_id"].to_pylist())


def training_counts(lake: LakeConfig, version: int, questions: Questions) -> dict[Level, np.ndarray]:
    """How often each item of the questions (A,) is a label of a unit in the histories of training people, by level."""
    item_ids = {level: pa.array(questions.levels[level].item_ids, pa.string()) for level in LEVELS if level in questions.levels}
    counts = {level: np.zeros(len(ids), np.int64) for level, ids in item_ids.items()}
    for labels in _labels_of_training(lake, version):
        for level, ids in item_ids.items():
            places = pc.index_in(pc.struct_field(labels, f"{level}_item_id"), value_set=ids).drop_null()
            counts[level] += np.bincount(places.to_numpy(), minlength=len(ids))
    return counts


def _labels_of_training(lake: LakeConfig, version: int) -> Iterator[pa.ChunkedArray]:
    """Labels of the units of training people, so many at once that looking them up costs little beside reading them."""
    waiting: list[pa.Array] = []
    for batch in arrow_tables.read_batches(lake, EXAMPLES, ("labelled",), ds.field("split") == "train", version, BATCH_ROWS):
        waiting.append(batch["labelled"].flatten())
        if sum(map(len, waiting)) >= LABELS_AT_ONCE:
            yield pa.chunked_array(waiting)
            waiting = []
    if waiting:
        yield pa.chunked_array(waiting)


def _cuts(lake: LakeConfig, version: int, split: Split) -> Iterator[pa.RecordBatch]:
    return arrow_tables.read_batches(lake, EXAMPLES, ("person_id", "cuts"), ds.field("split") == split, version, BATCH_ROWS)


def asked_examples(lake: LakeConfig, version: int, person_ids: Sequence[str], formats: Collection[QueryFormat]) -> list[Example]:
    """Examples of these people, in the order of their ids, as questions are made of them; units have their labels where one of the formats reads them."""
    found = examples_of(lake, version, person_ids, ("person_id", "history", "labelled", "cuts", "acted_on")).to_pylist()
    return list(map(with_labels, found)) if READS_LABELS.intersection(formats) else found


def people_of(lake: LakeConfig, version: int, asked: Collection[str], others: Collection[str], query_format: QueryFormat) -> Iterator[Person]:
    """These people, those asked and others, one at a time, as they stand in the table; units have their labels where the format reads them."""
    is_asked = set(asked)
    for example in _rows(lake, version, [*asked, *others], ("person_id", "history", "labelled")):
        history = (with_labels(example) if query_format in READS_LABELS else example)["history"]
        labels = {label["unit_id"]: label["broad_item_id"] for label in example["labelled"]}
        yield Person(example["person_id"], example["person_id"] in is_asked, history, labels)


def split_known_by(lake: LakeConfig, version: int, asked: Collection[str]) -> datetime | None:
    """The time split as the cuts of these people tell it."""
    return time_split(_rows(lake, version, asked, ("history", "cuts")))


def _rows(lake: LakeConfig, version: int, person_ids: Collection[str], columns: Sequence[str]) -> Iterator[Example]:
    of_them = ds.field("person_id").isin(pa.array(person_ids, pa.string()))
    for batch in arrow_tables.read_batches(lake, EXAMPLES, columns, of_them, version, BATCH_ROWS):
        yield from batch.to_pylist()


def examples_of(lake: LakeConfig, version: int, person_ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
    """Examples of these people, in the order of their ids."""
    rows = arrow_tables.read(lake, EXAMPLES, columns, ds.field("person_id").isin(pa.array(person_ids, pa.string())), version)
    return rows.sort_by("person_id")
