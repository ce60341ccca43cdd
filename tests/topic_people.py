"""Hand-made people who each keep to a topic or two, with labels and items, and what jobs of the trainer are run with on them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import mlflow
import torch

from lake import arrow_tables, registry
from lake.config import LakeConfig
from lake.encoder import Encoder
from lake.examples import EXAMPLES
from lake.labels import ITEMS, LABELS, LEVELS, Item, Label, label_item_id
from lake.schema import rows_table
from lake.units import SEQUENCES
from trainer import publishing
from trainer.student import content_version

TOPICS = {
    "Gardening": ("pruning roses", "tomato seedlings", "compost heaps", "garden slugs", "lawn mowing"),
    "Chess": ("Sicilian defence", "rook endgames", "chess clocks", "knight forks", "queen sacrifices"),
    "Baking": ("sourdough starters", "puff pastry", "oven temperature", "rye bread", "cake frosting"),
    "Astronomy": ("telescope mirrors", "Saturn's rings", "lunar eclipses", "star charts", "comet sightings"),
}
START = datetime(2024, 1, 1, tzinfo=UTC)
PEOPLE, UNITS = 16, 24
SETTINGS = [
    "examples.test_share=0.5",
    "examples.validation_share=0.1",
    "examples.future_units=4",
    "evaluation.bootstrap_samples=50",
    "evaluation.min_period_queries=5",
    "evaluation.matched_min_others=3",
    "evaluation.min_half_units=2",
    "evaluation.episode_units=5",
    "evaluation.min_feature_units=8",
    "evaluation.min_class_people=2",
    "evaluation.feature_folds=2",
    "evaluation.feature_days=1",
]


def words_of(person: int, number: int) -> tuple[str, str]:
    broad = list(TOPICS)[person % 4]
    return TOPICS[broad][(person // 4 + number * 2) % 5] + f" {number % 3}", broad


def unit(person: int, number: int) -> dict[str, Any]:
    specific, broad = words_of(person, number)
    return {
        "unit_id": f"reddit:t1_{person}x{number:02}",
        "unit_hash": f"{person}-{number}",
        "duplicate_group": None,
        "starts_session": False,
        "created_at": START + timedelta(days=number, minutes=person),
        "platform": "reddit",
        "thread_id": f"reddit:t3_{person}x{number // 2}",
        "action": "comment",
        "community": "everything" if number % 2 else f"{broad.lower()} {'before' if number < UNITS // 2 else 'after'}",
        "title": None,
        "text": f"I keep thinking about {specific.lower()} when it comes to {broad.lower()}",
        "context": [],
    }


def chunk(person: int, number: int) -> dict[str, Any]:
    units = [unit(person, place) for place in range(number * 10, min(UNITS, number * 10 + 10))]
    ends = {"first_at": units[0]["created_at"], "last_at": units[-1]["created_at"]}
    return {"person_id": f"person{person:02}", "chunk": number, "units": units, "user_ids": [f"person{person:02}"], "bucket": person % 3} | ends


def label(person: int, number: int) -> Label:
    specific, broad = words_of(person, number)
    return Label(
        unit_hash=f"{person}-{number}", teacher_version="hand", specific=specific, broad=broad, teacher_model="hand", prompt_version="1",
        rendering_version="1", decoding="", prompt_tokens=None, completion_tokens=None, batch=None, labelled_at=None,
    )  # fmt: skip


def write_people(lake: LakeConfig, people: int = PEOPLE) -> None:
    """Sequences, with chunks out of order, labels of all but the last person, and items."""
    chunks = [chunk(person, number) for number in (2, 0, 1) for person in range(people)]
    labels = [label(person, number) for person in range(people - 1) for number in range(UNITS)]
    texts = {(level, getattr(one, level)) for one in labels for level in LEVELS}
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, chunks))
    arrow_tables.overwrite(lake, LABELS, labels)
    items = [
        Item(item_id=label_item_id(level, text), source="labels", level=level, text=text, external_id=None, label_count=1)
        for level, text in sorted(texts)
    ]  # fmt: skip
    arrow_tables.overwrite(lake, ITEMS, items)


def arguments(lake: LakeConfig, *settings: str) -> list[str]:
    return ["--lake", lake.path, *(word for setting in (*SETTINGS, *settings) for word in ("--set", f"trainer.{setting}"))]


def rows(lake: LakeConfig) -> list[dict[str, Any]]:
    return arrow_tables.read(lake, EXAMPLES).sort_by("person_id").to_pylist()


def register(lake: LakeConfig, encoder: Encoder) -> None:
    registry.connect(lake)
    with mlflow.start_run():
        version = publishing.register(lake, encoder, {})
    registry.move_alias(lake, lake.encoder_alias, version)


def shaken(base: Encoder) -> Encoder:
    """The base with a little noise in its weights, and a temperature: another encoder, without a training."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weights in base.model.parameters():
            weights += 0.02 * weights.std() * torch.randn_like(weights) if weights.numel() > 1 else 0
    card = base.card.model_copy(update={"temperature": 0.1})
    return Encoder(base.model, card, content_version(base.model, card))
