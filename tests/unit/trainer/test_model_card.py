"""What the card says, and what it keeps to itself."""

from dataclasses import replace
from math import nan
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import mlflow
import pytest
import yaml

from lake.encoder import Encoder, EncoderCard
from lake.examples import HeldOut
from lake.models import base_licence, public_name
from lake.rendering import RENDERING_VERSION, QueryFormat
from trainer.champion import Comparison, Lead
from trainer.evaluation.metrics import Estimate
from trainer.evaluation.probe import ProbeScores
from trainer.model_card import FOLDER, MergedPart, Provenance, card_text, version_description

SHARES = HeldOut(validation_share=0.15, test_share=0.25)


def compared(tuned: float, base: float, people: int) -> Comparison:
    """What validation people said of both."""
    lead = Lead(Estimate(tuned - base, tuned - base - 0.02, tuned - base + 0.02, people), Estimate(nan, nan, nan, 0))
    return Comparison({"tuned": tuned, "base": base}, lead, None, None, is_served=False)


TRAINED = Provenance(
    "trained", "fine-tuned from m on labels of 95 people", "ba5e", "apache-2.0", {"epochs": 2, "base_model": "m"}, compared(0.68, 0.617, 40),
    ProbeScores(0.8, 0.85, 0.9, 0.95, 0.123),
)  # fmt: skip


def encoder(**changes: object) -> Encoder:
    """What a card is written of, without a model."""
    facts = {"base_model": "m", "rendering_version": RENDERING_VERSION, "max_tokens": 64, "trained_on": {"examples": 3, "items": 2}, "held_out": SHARES}
    return SimpleNamespace(version="c0ffee", dimension=384, card=EncoderCard(**(facts | changes)))  # type: ignore[return-value,arg-type]


def text(of: Encoder, provenance: Provenance) -> str:
    return card_text(of, provenance, "kindred-encoder", "models:/m-1")


def test_the_card_of_a_trained_encoder_states_its_facts() -> None:
    found = text(encoder(prompts={"query": "about | it: ", "specific": "item: "}, dimensions=[64, 384]), TRAINED)
    front_matter = yaml.safe_load(found.split("---\n")[1])
    assert front_matter["base_model"] == "m"
    assert "license" not in front_matter  # of ours nothing is settled by the base's
    for fact in (
        "fine-tuned from m on labels of 95 people", "`c0ffee`", "m (`ba5e`)", "384, float32, unit length; may be cut to 64, 384", "64 tokens", "`examples` 3, `items` 2",
        "15% of all people to choose an encoder by, and 25% to judge it by", "| `epochs` | `2` |", "40 validation people | 0.680 | 0.617 |", "with intervals: +0.063 [+0.043, +0.083].", "MRR | 0.900 | 0.950 |",
        "distance to the base | 0.123 | 0.000 |", "the files of the base, m, say: apache-2.0", 'query: `"about \\| it: "`', "prompt='about | it: '", "prompt='item: '",
        "Breadit | Why does my loaf not rise? | Mine went flat",
    ):  # fmt: skip
        assert fact in found, fact
    assert [line[3:] for line in found.splitlines() if line.startswith("## ")] == ["Trained on", "Scores", "Terms", "Limits", "How to load it"]


def test_the_card_of_a_base_calls_nothing_its_own_that_training_made() -> None:
    base = replace(TRAINED, kind="base", made="the untouched base", settings={}, validation=compared(0.5, 0.6, 3))
    found = text(encoder(trained_on={}, held_out=None), base)
    assert "Nothing of a lake: it is what its base is." in found
    assert "|  | what training made of it (another version) | this encoder, the base |" in found
    assert "Held out" not in found
    assert "probe" not in version_description(encoder(trained_on={}, held_out=None), base)


def test_the_card_of_a_merge_says_what_was_merged_and_that_nobody_was_asked() -> None:
    parts = [MergedPart("version 1", "aaa", 0.7, {"examples": 2}), MergedPart("the base m", "bbb", 0.3, {})]
    found = text(encoder(), replace(TRAINED, kind="merged", validation=None, settings={}, parts=parts))
    assert "| version 1 | `aaa` | 0.7 | `examples` 2 |" in found
    assert "| the base m | `bbb` | 0.3 | none |" in found
    assert "Personal AUC" not in found


def test_scores_of_nobody_are_no_numbers() -> None:
    lonely = replace(TRAINED, validation=compared(nan, nan, 0))
    assert "0 validation people | - | - |" in text(encoder(), lonely)
    assert "AUC" not in version_description(encoder(), lonely)
    assert "None are noted." in text(encoder(), Provenance())


@pytest.mark.parametrize("query_format", get_args(QueryFormat))
def test_every_format_of_histories_has_words(query_format: QueryFormat) -> None:
    assert f"| query format | {query_format}, rendering 1: a" in text(encoder(query_format=query_format), TRAINED).replace("the labels", "a label")


def test_a_card_says_that_everybody_was_trained_on_where_acts_are_held_out() -> None:
    shares = HeldOut(validation_share=0, test_share=0, acts="last")
    assert "Held out: no people, whom it met all; of everybody, the last item" in version_description(encoder(held_out=shares), TRAINED)
    found = text(encoder(held_out=shares), TRAINED)
    assert "Held out from training: no people, whom it met all; of everybody, the last item" in found
    assert "by a hash" not in found


def test_places_that_were_held_out_are_named() -> None:
    shares = HeldOut(validation_share=0.15, test_share=0.25, communities=("Tea", "Trains"))
    assert "25% to judge it by; and everybody who ever acted in Tea, Trains." in version_description(encoder(held_out=shares), TRAINED)
    assert "by a hash of `person_id`; and everybody who ever acted in Tea, Trains." in text(encoder(held_out=shares), TRAINED)


def test_topics_that_were_held_out_and_platforms_that_were_met_are_named() -> None:
    for topics, words in ((0.1, "10% of all broad labels, by a hash of their words,"), (("chess", "tea"), "the broad labels chess, tea")):
        shares = HeldOut(validation_share=0.15, test_share=0.25, topics=topics)
        said = f"; and, from everybody's answers, {words} with all specific labels beside one of them."
        assert said in version_description(encoder(held_out=shares), TRAINED)
        assert said in text(encoder(held_out=shares), TRAINED)
    assert "They are of people of reddit, takeout." in text(encoder(platforms=["reddit", "takeout"]), TRAINED)
    assert "They are of people" not in text(encoder(), TRAINED)


def test_the_description_is_one_paragraph_of_facts() -> None:
    assert version_description(encoder(), TRAINED) == (
        "Encoder c0ffee is fine-tuned from m on labels of 95 people. It reads histories as units (rendering 1), at most 64 tokens, and gives 384 numbers. Trained on "
        "examples 3, items 2 (Delta versions). Held out: 15% of all people to choose an encoder by, and 25% to judge it by. Validation personal AUC 0.680 after "
        "training, 0.617 of the base (40 people); general probe MRR 0.900, 0.950 of the base, cosine distance to it 0.123. Its card is "
        "model.sentence_transformer/README.md among its artifacts."
    )


def test_mlflow_puts_the_encoder_where_the_card_says() -> None:
    assert mlflow.sentence_transformers.SENTENCE_TRANSFORMERS_DATA_PATH == FOLDER


def test_a_base_in_a_folder_is_named_without_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret" / "my-base").mkdir(parents=True)
    for name in (str(tmp_path / "secret" / "my-base"), str(tmp_path / "gone" / "my-base")):
        found = text(encoder(base_model=name), Provenance())
        assert "my-base" in found
        assert str(tmp_path) not in found
    monkeypatch.chdir(tmp_path)
    assert public_name("secret/my-base") == "my-base"
    assert public_name("someone/a-model") == "someone/a-model"


@pytest.mark.parametrize(
    ("files", "licence"),
    [
        ({"README.md": "---\nlanguage: en\nlicense: mit\n---\n# m\n"}, "mit"),
        ({"README.md": "---\nlicense: other\nlicense_name: our-own\nlicense_link: LICENSE\n---\n"}, "other, our-own, LICENSE"),
        ({"README.md": "# m\n---\nlicense: mit\n---\n", "LICENSE.txt": "\n  Some Public License\n version 2"}, "Some Public License"),
        ({"README.md": "---\nlicense: [broken\n---\n"}, None),
        ({"README.md": "---\n- license\n---\n"}, None),
        ({}, None),
    ],
)
def test_the_licence_is_what_the_files_of_the_base_state(tmp_path: Path, files: dict[str, str], licence: str | None) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert base_licence(str(tmp_path)) == licence
    assert ("say: " if licence else "m: not stated") in text(encoder(), Provenance(base_licence=base_licence(str(tmp_path))))


def test_the_licence_of_a_base_that_is_not_here_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(*address: object, **_: object) -> None:
        asked.append(address)
        raise OSError("no network")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert base_licence("nobody/nothing") is None
    assert base_licence("all-MiniLM-L6-v2") == "apache-2.0"
    assert asked == []


@pytest.mark.parametrize(
    ("query_format", "line"),
    [
        ("units", "    tea | Cold brew overnight"), ("labels", "    Cold brewing tea overnight / Tea\n    Reviving a flat loaf with colder dough / Bread"),
        ("brief", "    tea | Cold brew overnight | Eight hours, then strained."),
        ("mixed", "then strained. -> Cold brewing tea overnight / Tea"), ("raw", "    # Cold brew overnight Eight hours, *then* strained."),
    ],
)  # fmt: skip
def test_the_card_shows_a_history_as_the_encoder_reads_it(query_format: str, line: str) -> None:
    found = text(encoder(query_format=query_format), TRAINED)
    assert line in found
    assert f"| {query_format}, rendering " in found


def test_every_format_of_histories_is_said_in_words() -> None:
    for query_format in get_args(QueryFormat):
        assert f"| {query_format}, rendering " in text(encoder(query_format=query_format), TRAINED)
