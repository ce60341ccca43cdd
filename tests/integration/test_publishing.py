"""A registered encoder and its card: MLflow on SQLite, the real MiniLM, and the card's own words run as they stand."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest

from lake import registry
from lake.config import LakeConfig
from lake.encoder import CARD_FILE, Encoder, encoder_version, load_encoder, load_registered, registered_folder
from lake.models import model_folder
from lake.presence import registry_file
from trainer import publishing
from trainer.config import TrainerConfig
from trainer.model_card import FOLDER, Provenance
from trainer.student import base_encoder, content_version

ROOT = Path(__file__).parents[2]
PROMPTS = {"query": "what they did: ", "specific": 'it\'s "item": '}
SCRIPT = """
import json, sys
exec(compile(open(sys.argv[1], encoding="utf-8").read(), "card", "exec"))
print(json.dumps([person.tolist(), items.tolist(), history, sorted({name.split(".")[0] for name in sys.modules})]))
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> LakeConfig:
    """A lake of the default name whose champion has prompts."""
    lake = LakeConfig(path=str(tmp_path_factory.mktemp("published") / "lake-local"))
    base = base_encoder(TrainerConfig(max_tokens=64), "cpu")
    card = base.card.model_copy(update={"prompts": PROMPTS})
    registry.connect(lake)
    with mlflow.start_run():
        encoder = Encoder(base.model, card, content_version(base.model, card))
        version = publishing.register(lake, encoder, {"kindred.inputs": "abc"}, Provenance("base", "the untouched base", base.version))
    registry.move_alias(lake, lake.encoder_alias, version)
    return lake


def readme(lake: LakeConfig) -> str:
    return (registered_folder(lake) / "README.md").read_text(encoding="utf-8")


def blocks(lake: LakeConfig, language: str) -> list[str]:
    """Code of the card in a language, in its order."""
    return re.findall(rf"```{language}\n(.*?)```", readme(lake), re.DOTALL)


def test_the_card_is_ours_and_changes_no_version(published: LakeConfig) -> None:
    found, folder = readme(published), registered_folder(published)
    assert folder.name == FOLDER
    assert found != (model_folder("all-MiniLM-L6-v2") / "README.md").read_text(encoding="utf-8")
    assert "s2orc" not in found
    assert encoder_version(folder) in found
    assert encoder_version(folder) == load_registered(published, "cpu").version == publishing.champion_version(published)
    (card,) = folder.rglob(CARD_FILE)
    assert load_encoder(card.parent, "cpu").card.prompts == PROMPTS


def test_the_card_s_snippet_loads_the_encoder_with_sentence_transformers_alone(published: LakeConfig, tmp_path: Path) -> None:
    (fetch,), (alone, *_) = blocks(published, "sh"), blocks(published, "python")
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{registry_file(published)}", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    subprocess.run(["bash", "-euc", fetch], cwd=tmp_path, env=environment, check=True, capture_output=True)
    (tmp_path / "snippet.py").write_text(alone, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", SCRIPT, "snippet.py"], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
    person, items, history, modules = json.loads(done.stdout.splitlines()[-1])
    assert not {"mlflow", "lake", "trainer", "conf"} & set(modules)
    ours = load_registered(published, "cpu")
    assert np.allclose(person, ours.encode_texts([history], "query")[0], atol=1e-5)
    assert np.allclose(items, ours.encode_items(["Reviving a flat loaf", "Changing a bicycle tyre"], "specific"), atol=1e-5)
    unprompted = ours.model.encode([history], normalize_embeddings=True)
    assert not np.allclose(person, unprompted[0], atol=1e-3)


def test_the_card_s_other_snippets_load_the_same_encoder(published: LakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    _, with_mlflow, in_kindred = blocks(published, "python")
    registry.connect(published)
    monkeypatch.chdir(Path(published.path).parent)
    names: dict[str, object] = {}
    exec(with_mlflow, names)
    plain = names["encoder"].encode([PROMPTS["specific"] + "Reviving a flat loaf"], normalize_embeddings=True)  # type: ignore[attr-defined]
    exec(in_kindred, names)
    assert np.allclose(names["items"], plain, atol=1e-5)  # type: ignore[arg-type]


def test_model_and_version_are_described_and_can_be_found(published: LakeConfig) -> None:
    registry.connect(published)
    client = mlflow.MlflowClient()
    (version,) = client.search_model_versions(f"name = '{published.registered_model}'")
    encoder = load_registered(published, "cpu")
    assert f"Encoder {encoder.version} is the untouched base." in version.description
    assert version.tags.items() >= {"kindred.made": "base", "kindred.dimension": "384", "kindred.max_tokens": "64", "kindred.inputs": "abc"}.items()
    assert "`champion` is the version that is served" in client.get_registered_model(published.registered_model).description
    assert registry.find_version(published, registry.ENCODER_VERSION, encoder.version) == str(version.version)
    assert registry.find_version(published, registry.ENCODER_VERSION, "another") is None


def test_a_description_that_somebody_wrote_stays(lake: LakeConfig) -> None:
    registry.connect(lake)
    client, base = mlflow.MlflowClient(), base_encoder(TrainerConfig(max_tokens=64), "cpu")
    client.create_registered_model(lake.registered_model, description="Ours.")
    with mlflow.start_run():
        publishing.register(lake, base, {})
    assert client.get_registered_model(lake.registered_model).description == "Ours."
