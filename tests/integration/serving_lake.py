"""A tiny lake for the tests of serving: hand-made histories, labels and items, and the untouched MiniLM as registered encoder."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lake import arrow_tables, registry
from lake.config import LakeConfig
from lake.encoder import EncoderCard, encoder_version, load_encoder, registered_folder, save_encoder
from lake.examples import PERSON_LABELS
from lake.labels import ITEMS, LEVELS, label_item_id
from lake.models import model_path
from lake.rendering import RENDERING_VERSION, QueryFormat
from lake.schema import rows_table
from lake.units import SEQUENCES, sequence_bucket

START = datetime(2023, 1, 1, tzinfo=UTC)
TOPICS = {
    "sourdough": ("Baking sourdough bread at home", "Cooking"),
    "espresso": ("Dialling in an espresso grinder", "Cooking"),
    "telescopes": ("Choosing a first telescope", "Astronomy"),
    "galaxies": ("Photographing the Andromeda galaxy", "Astronomy"),
    "bicycles": ("Repairing old steel bicycles", "Cycling"),
    "chess": ("Studying the Sicilian defence in chess", "Board games"),
}
PEOPLE = {
    "baker": ["sourdough", "espresso", "sourdough"],
    "barista": ["espresso", "espresso", "sourdough"],
    "stargazer": ["telescopes", "galaxies", "telescopes"],
    "astrophotographer": ["galaxies", "telescopes", "galaxies"],
    "cyclist": ["bicycles", "bicycles"],
    "chess-player": ["chess", "chess"],
}


def person_id(name: str) -> str:
    """Shaped like a pseudonym."""
    return hashlib.sha256(name.encode()).hexdigest()


def unit(name: str, number: int, topic: str, text: str | None = None, community: str | None = None) -> dict[str, Any]:
    words = text or f"{TOPICS[topic][0]}, try number {number}"
    return {
        "unit_id": f"test:{name}-{number}", "unit_hash": f"hash-{words}", "duplicate_group": None, "starts_session": False, "created_at": START + timedelta(days=number),
        "platform": "test", "thread_id": None, "action": "comment", "community": community or topic, "title": None, "text": words, "context": [],
    }  # fmt: skip


def chunks(name: str, units: Sequence[Mapping[str, Any]], size: int = 2, user_ids: Sequence[str] | None = None) -> list[dict[str, Any]]:
    owner = person_id(name)
    parts = [list(units[start : start + size]) for start in range(0, len(units), size)]
    return [
        {
            "person_id": owner, "chunk": number, "units": part, "user_ids": list(user_ids or [owner]), "first_at": part[0]["created_at"],
            "last_at": part[-1]["created_at"], "bucket": sequence_bucket(owner, 2),
        }
        for number, part in enumerate(parts)
    ]  # fmt: skip


def history(name: str) -> list[dict[str, Any]]:
    return [unit(name, number, topic) for number, topic in enumerate(PEOPLE[name])]


def write_sequences(lake: LakeConfig, rows: Sequence[Mapping[str, Any]]) -> None:
    arrow_tables.overwrite(lake, SEQUENCES, rows_table(SEQUENCES, list(rows)))


def write_items(lake: LakeConfig, topics: Mapping[str, tuple[str, str]] = TOPICS) -> None:
    broad = sorted({broad for _, broad in topics.values()})
    texts = [("specific", specific) for specific, _ in topics.values()] + [("broad", text) for text in broad]
    rows = [
        {"item_id": label_item_id(level, text), "source": "labels", "level": level, "text": text, "external_id": None, "label_count": 3}
        for level, text in texts
    ]  # fmt: skip
    arrow_tables.overwrite(lake, ITEMS, rows_table(ITEMS, rows))


def write_person_labels(lake: LakeConfig) -> None:
    """Every unit's labels, as `trainer examples` writes them."""
    rows = [
        {
            "person_id": person_id(name), "unit_id": row["unit_id"], "created_at": row["created_at"], "teacher_version": "hand", "bucket": sequence_bucket(person_id(name), 2),
            **dict(zip(LEVELS, TOPICS[row["community"]], strict=True)),
            **{f"{level}_item_id": label_item_id(level, text) for level, text in zip(LEVELS, TOPICS[row["community"]], strict=True)},
        }
        for name in PEOPLE
        for row in history(name)
    ]  # fmt: skip
    arrow_tables.overwrite(lake, PERSON_LABELS, rows_table(PERSON_LABELS, rows))


def write_lake(lake: LakeConfig) -> None:
    """Sequences, items and labelled units of all PEOPLE; the baker has a second account."""
    accounts = {"baker": [person_id("baker"), person_id("baker's second account")]}
    write_sequences(lake, [row for name in PEOPLE for row in chunks(name, history(name), user_ids=accounts.get(name))])
    write_items(lake)
    write_person_labels(lake)


def all_chunks() -> list[dict[str, Any]]:
    """Everybody's histories, as rows of `sequences`."""
    return [row for name in PEOPLE for row in chunks(name, history(name))]


def register_base_encoder(lake: LakeConfig, folder: Path, max_tokens: int = 128, query_format: QueryFormat = "units", **of_card: Any) -> str:
    """Register the untouched MiniLM as champion, as training does; returns its version."""
    from sentence_transformers import SentenceTransformer

    from trainer.publishing import register

    card = EncoderCard(
        base_model="all-MiniLM-L6-v2", rendering_version=RENDERING_VERSION, max_tokens=max_tokens, dimensions=[384], query_format=query_format,
        **of_card,
    )  # fmt: skip
    model = SentenceTransformer(model_path(card.base_model), device="cpu")
    model.max_seq_length = max_tokens  # as training has it: else the registered folder is another encoder than this one
    save_encoder(model, card, folder)
    registry.connect(lake)
    registry.move_alias(lake, lake.encoder_alias, register(lake, load_encoder(folder, "cpu"), {}))
    return encoder_version(registered_folder(lake))


def embedded_lake(lake: LakeConfig, folder: Path) -> str:
    """The tiny lake with vectors; returns the encoder's version."""
    from serving.config import ServingConfig
    from serving.jobs.embed import embed

    write_lake(lake)
    version = register_base_encoder(lake, folder)
    embed(lake, ServingConfig())
    return version


def embedded_and_loaded(lake: LakeConfig, folder: Path) -> str:
    """The tiny lake with vectors, loaded into its Milvus Lite; returns the encoder's version."""
    from serving.config import ServingConfig
    from serving.jobs.load import load

    version = embedded_lake(lake, folder)
    load(lake, ServingConfig())
    return version


def loaded_lake(folder: Path, key_file: str) -> LakeConfig:
    """The tiny lake below a folder, its vectors loaded."""
    lake = LakeConfig(path=str(folder / "lake"), pseudonym_key_file=key_file)
    embedded_and_loaded(lake, folder / "encoder")
    return lake


def copied_lake(lake: LakeConfig, folder: Path) -> LakeConfig:
    """A copy of a lake below a folder, which a test may change."""
    shutil.copytree(lake.path, folder / "lake")
    return lake.model_copy(update={"path": str(folder / "lake")})
