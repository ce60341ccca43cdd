"""Hand-made rows of `examples` and `items`: people who each care for one of a few topics, in the past and in the future."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import numpy as np

from lake import arrow_tables
from lake.config import LakeConfig
from lake.examples import EXAMPLES, HeldOut, answer_key
from lake.labels import ITEMS, label_item_id
from lake.schema import rows_table

TOPICS = {
    "Gardening": ["Growing tomatoes on a balcony", "Pruning roses in March", "Compost bin and worms", "Sowing carrots late", "Slugs eating lettuce"],
    "Formula 1": ["Tyre strategy in the wet", "Qualifying lap at Spa", "Engine penalties for Verstappen", "Pit stop crew times", "Sprint race format"],
    "Bread": ["Sourdough starter smells odd", "Rye loaf with caraway", "Kneading wet dough", "Baking stone or steel", "Crust too pale"],
    "Astronomy": ["Photographing the Orion nebula", "First telescope for a child", "Jupiter's moons tonight", "Dark sky sites", "Polar alignment of a mount"],
}
START = datetime(2023, 1, 1, tzinfo=UTC)


def item(level: str, text: str) -> dict[str, Any]:
    """A row of `items` for a label."""
    return {"item_id": label_item_id(level, text), "source": "labels", "level": level, "text": text, "external_id": None, "label_count": 1}  # type: ignore[arg-type]


def all_items() -> list[dict[str, Any]]:
    """Every label of every topic, at both levels."""
    return [item("broad", broad) for broad in TOPICS] + [item("specific", text) for texts in TOPICS.values() for text in texts]


def history_unit(unit_id: str, number: int, text: str, community: str = "talk") -> dict[str, Any]:
    """A unit of a history, one a day."""
    return {
        "unit_id": unit_id, "unit_hash": unit_id, "duplicate_group": None, "starts_session": False, "created_at": START + timedelta(days=number), "platform": "reddit",
        "thread_id": f"thread of {unit_id}", "action": "comment", "community": community, "title": None, "text": text, "context": [],
    }  # fmt: skip


def positive(text: str, level: str, where: str, unit_id: str = "u") -> dict[str, Any]:
    """A label of the person seen from a cut."""
    return {"item_id": label_item_id(level, text), "level": level, "unit_id": unit_id, "where": where, "new_thread": where == "after", "grade": None}  # type: ignore[arg-type]


def example(
    person_id: str, labels: list[tuple[str, str]], past: int, split: str = "train", period: str = "past", words: list[str] | None = None
) -> dict[str, Any]:
    """A person whose units carry these (specific, broad) labels, with one cut after the first `past` units."""
    words = words or [f"I wrote about {specific.lower()}." for specific, _ in labels]
    units = [history_unit(f"{person_id}-{number}", number, text) for number, text in enumerate(words)]
    positives = [
        positive(text, level, "inside" if number < past else "after", units[number]["unit_id"])
        for number, pair in enumerate(labels)
        for level, text in zip(("specific", "broad"), pair, strict=True)
    ]
    labelled = [
        {
            "unit_id": unit["unit_id"], "specific_item_id": label_item_id("specific", specific), "broad_item_id": label_item_id("broad", broad),
            "specific": specific, "broad": broad,
        }
        for unit, (specific, broad) in zip(units, labels, strict=True)
    ]  # fmt: skip
    cut = {
        "cut_at": units[past - 1]["created_at"], "history_length": past, "community": "talk", "positives": positives, "entered": [], "hard_negatives": [],
        "period": period, "labelled": past, "acted_on": [],
    }  # fmt: skip
    did = sorted({answer_key(text) for pair in labels for text in pair})
    return {
        "person_id": person_id,
        "history": units,
        "labelled": labelled,
        "cuts": [cut],
        "did": did,
        "communities": ["talk"],
        "label_set": ["hand-made"],
        "split": split,
        "acted_on": [],
        "candidates": [],
    }


def reader(person_id: str, titles: list[str], past: int, split: str = "train", community: str = "talk") -> dict[str, Any]:
    """A person without labels whose units each enter a thread of such a title, with one cut after the first `past` units."""
    units = [history_unit(f"{person_id}-{number}", number, "Same here.", community) for number in range(len(titles))]
    for unit, title in zip(units, titles, strict=True):
        opening = {
            "role": "root",
            "unit_id": unit["thread_id"],
            "speaker": "other-1",
            "speaker_id": "x",
            "title": title,
            "text": f"{title}\n\nLong words.",
            "created_at": START,
        }
        unit["context"] = [opening]
    row = example(person_id, [("none", "none")] * len(titles), past, split)
    cut = row["cuts"][0] | {"community": community, "positives": [], "entered": [*range(past, len(titles))], "labelled": 0}
    return row | {
        "history": units,
        "labelled": [],
        "cuts": [cut],
        "did": sorted({answer_key(title) for title in titles}),
        "communities": [community],
        "label_set": [],
    }


def planted_examples(train: int, validation: int, seed: int = 0) -> list[dict[str, Any]]:
    """People with one topic each, whose words name it in a code that only training can teach: a made-up word stands for the topic."""
    generator, held_out, ids = np.random.default_rng(seed), HeldOut(validation_share=0.15, test_share=0.25), count()
    codes = dict(zip(TOPICS, ("zorvex", "plimtar", "quandel", "brimsol"), strict=True))
    rows = []
    for number in range(train + validation):
        broad = list(TOPICS)[number % len(TOPICS)]
        texts = [TOPICS[broad][index] for index in generator.permutation(5)]
        words = [f"The {codes[broad]} again, {word} as ever." for word in generator.choice(["good", "bad", "slow", "late", "fine"], 5)]
        split = "train" if number < train else "validation"
        person_id = next(name for name in (f"person-{place:05}" for place in ids) if held_out.split_of(name) == split)
        rows.append(example(person_id, [(text, broad) for text in texts], 3, split, words=list(words)))
    return rows


def write_planted(lake: LakeConfig, train: int, validation: int, seed: int = 0) -> None:
    """The two tables that training reads."""
    arrow_tables.overwrite(lake, EXAMPLES, rows_table(EXAMPLES, planted_examples(train, validation, seed)))
    arrow_tables.overwrite(lake, ITEMS, rows_table(ITEMS, all_items()))
