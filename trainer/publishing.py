"""Encoders in the MLflow registry, with their cards (edge). Follows https://mlflow.org/docs/3.x: LoggedModels, registry aliases."""

import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

from conf.errors import EncoderError
from lake import registry
from lake.config import LakeConfig
from lake.encoder import CARD_FILE, Encoder, folder_with_card, registered_folder, settle_tokenizer
from lake.models import public_name
from lake.presence import has_registry
from trainer.arguments import MODELS, is_folder
from trainer.model_card import FOLDER, Provenance, card_text, model_description, version_description, with_section

TRAINED = "trained"
"""Alias of the encoder that was trained or merged last, champion or not."""


def register(lake: LakeConfig, encoder: Encoder, tags: Mapping[str, str], provenance: Provenance | None = None) -> str:
    """A new version of the registered model, its files and its card complete before it is there; no alias points to it yet."""
    provenance = provenance or Provenance()
    settle_tokenizer(encoder.model)
    logged = mlflow.sentence_transformers.log_model(
        encoder.model, name="encoder", signature=_signature(encoder.dimension), pip_requirements=_requirements(),
        metadata={"encoder_version": encoder.version, **encoder.card.model_dump(mode="json")}, create_model_card=False,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / FOLDER
        folder.mkdir()
        (folder / CARD_FILE).write_text(encoder.card.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(card_text(encoder, provenance, lake.registered_model, logged.model_uri), encoding="utf-8")
        mlflow.MlflowClient().log_model_artifacts(logged.model_id, place)
    with registry.quiet_mlflow():
        registered = mlflow.register_model(logged.model_uri, lake.registered_model, tags={**tags, **_facts(encoder, provenance)})
    _describe(lake, str(registered.version), version_description(encoder, provenance))
    return str(registered.version)


def _facts(encoder: Encoder, provenance: Provenance) -> dict[str, str]:
    """Tags by which versions can be found."""
    card = encoder.card
    facts = {
        "made": provenance.kind, "base_model": public_name(card.base_model), "dimension": encoder.dimension, "max_tokens": card.max_tokens,
        "query_format": card.query_format, "rendering_version": card.rendering_version,
    }  # fmt: skip
    return {registry.ENCODER_VERSION: encoder.version, **{f"kindred.{name}": str(value) for name, value in facts.items()}}


def _describe(lake: LakeConfig, model_version: str, description: str) -> None:
    """Describe a version, and the model where nobody has yet."""
    client = mlflow.MlflowClient()
    client.update_model_version(lake.registered_model, model_version, description)
    if not client.get_registered_model(lake.registered_model).description:
        client.update_registered_model(lake.registered_model, model_description(lake.encoder_alias, TRAINED))


def champion_version(lake: LakeConfig) -> str | None:
    """`encoder_version` of what the alias names; None where it names nothing."""
    try:
        found = mlflow.MlflowClient().get_model_version_by_alias(lake.registered_model, lake.encoder_alias)
    except MlflowException:
        return None
    return str(found.tags.get(registry.ENCODER_VERSION, "unknown"))


def encoder_folder(lake: LakeConfig, name: str) -> Path:
    """Folder of an encoder that is named by its folder, by that of another lake (whose alias counts), by a URI of MLflow (models:/NAME/3), or by version or alias of this lake.

    Raises EncoderError where there is none. MLflow may be pointed at the other lake after it.
    """
    try:
        if name.startswith(MODELS):
            registry.connect(lake)
            return folder_with_card(registry.local_folder(name), name)
        if not is_folder(name):
            return registered_folder(lake, name)
        other = lake.model_copy(update={"path": name, "mlflow_uri": None})
        return registered_folder(other) if has_registry(other) else folder_with_card(Path(name).expanduser(), name)
    except MlflowException as error:
        raise EncoderError(f"{name}: no such encoder ({error.message}); lake.mlflow_uri says whose registry is asked") from None


def quote_in_card(lake: LakeConfig, section: str) -> str | None:
    """Put a section (Markdown, its heading first) into the card of the encoder that the alias names, and give the id of the run that made the encoder; None where no run did.

    An encoder without a card, of an older program, gets none.
    """
    client = mlflow.MlflowClient()
    found = client.get_model_version_by_alias(lake.registered_model, lake.encoder_alias)
    card = folder_with_card(registry.local_folder(registry.model_uri(lake)), lake.encoder_alias) / "README.md"
    model_id = found.model_id or str(found.source).removeprefix("models:/")
    if card.is_file():
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / FOLDER
            folder.mkdir()
            (folder / card.name).write_text(with_section(card.read_text(encoding="utf-8"), section), encoding="utf-8")
            client.log_model_artifacts(model_id, place)
    return found.run_id or None


def _signature(dimension: int) -> ModelSignature:
    return ModelSignature(inputs=Schema([ColSpec("string")]), outputs=Schema([TensorSpec(np.dtype("float32"), (-1, dimension))]))


def _requirements() -> list[str]:
    """What the model needs to be loaded; given, since MLflow would run it to find out."""
    return [f"{name}=={version(name)}" for name in ("sentence-transformers", "transformers", "torch")]
