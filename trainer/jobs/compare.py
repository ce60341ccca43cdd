"""Entry point of `kindred trainer compare`."""

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from conf.arguments import JobArguments
from conf.errors import ContractError, EncoderError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import EncoderCard, encoder_version, load_encoder, read_card
from lake.examples import EXAMPLES, Kind, answer_key, title_answer
from lake.labels import ITEMS, LEVELS
from lake.presence import has_table
from lake.rendering import is_readable
from lake.units import thread_title
from trainer import arguments as trainer_arguments
from trainer.config import EvaluationConfig, TrainerConfig
from trainer.evaluation.people import catalogue_items, examples_of, label_items, never_met
from trainer.evaluation.questions import Example, with_labels
from trainer.evaluation.stability import Space, Stability, stability, stability_text
from trainer.publishing import encoder_folder


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with command line arguments."""
    run_job(trainer_arguments.compare(argv))


def run_job(arguments: JobArguments) -> None:
    """Compare, and print what was found."""
    lake, settings, values = arguments.section("lake", LakeConfig), arguments.section("trainer", TrainerConfig).evaluation, arguments.values
    found, people = compared(lake, settings, values.encoders)
    if values.json:
        print(json.dumps({"people": people, "interval": settings.interval, "scores": [json.loads(score.model_dump_json()) for score in found]}, indent=2))
    else:
        print(stability_text(found, people, settings.interval))


def compared(lake: LakeConfig, settings: EvaluationConfig, names: Sequence[str]) -> tuple[list[Stability], int]:
    """What changes between each two of the encoders, and for how many people that was asked.

    Raises EncoderError for an encoder that is not there or does not say whom it met, ContractError where they share no stranger.
    """
    folders = {name: encoder_folder(lake, name) for name in names}
    cards = {name: read_card(folder) for name, folder in folders.items()}
    for name, card in cards.items():
        if card.may_have_met_anybody:
            raise EncoderError(f"{name} does not say who was held out from its training: it may have met anybody; run 'kindred trainer train'")
    version = arrow_tables.open_table(lake, EXAMPLES).version()
    people = strangers(lake, version, list(cards.values()), settings)
    items = item_texts(lake, people)
    spaces = spaces_of(folders, people, items)
    return [score for one, other in combinations(names, 2) for score in stability(spaces[one], spaces[other], settings)], len(people)


def strangers(lake: LakeConfig, version: int, cards: Sequence[EncoderCard], settings: EvaluationConfig) -> list[Example]:
    """The people of split test whom none of the encoders met and who have something that each reads, in the order of their ids, as many as the settings take."""
    never = set.intersection(*(never_met(lake, version, card) for card in cards))
    rows = map(with_labels, examples_of(lake, version, sorted(never)[: settings.max_people], ("person_id", "history", "labelled")).to_pylist())
    people = [row for row in rows if all(is_readable(row["history"], card.query_format) for card in cards)]
    if len(people) < 2:
        raise ContractError(
            f"examples: {len(people)} people of split 'test' whom none of the encoders met and who have something that all of them read; raise trainer.examples.test_share, "
            "or compare encoders that held out the same people"
        )
    return people


def item_texts(lake: LakeConfig, people: Sequence[Example]) -> dict[Kind, list[str]]:
    """The words of all items by kind; where there are none, titles of what these people were ever about."""
    versions = {ITEMS.name: arrow_tables.open_table(lake, ITEMS).version()} if has_table(lake, ITEMS) else {}
    labels, found = label_items(lake, versions).to_pylist(), dict[Kind, list[str]]()
    for level in LEVELS:
        found[level] = [row["text"] for row in labels if row["level"] == level]
    found["catalogue"] = catalogue_items(lake, versions).texts
    if not any(found.values()):
        titles = (thread_title(unit) for person in people for unit in person["history"])
        found["title"] = list({answer_key(text): text for text in (title_answer(title) for title in titles if title)}.values())
    return {kind: texts for kind, texts in found.items() if texts}


def spaces_of(folders: dict[str, Path], people: Sequence[Example], items: dict[Kind, list[str]]) -> dict[str, Space]:
    """What each encoder makes of people and items; one model is in memory at a time, and all their vectors are."""
    made: dict[str, Space] = {}
    for folder in folders.values():
        version = encoder_version(folder)
        if version not in made:
            encoder = load_encoder(folder)
            texts = [encoder.history_text(person["history"])[0] for person in people]
            vectors = {kind: encoder.encode_texts(words, kind) for kind, words in items.items()}
            made[version] = Space(version, encoder.encode_history_texts(texts), vectors)
    found = {name: made[encoder_version(folder)] for name, folder in folders.items()}
    return {name: Space(name, space.people, space.items) for name, space in found.items()}


if __name__ == "__main__":
    main()
