"""What is written of a registered encoder for people: its card (README.md) and the paragraph that the registry shows. Pure text of facts."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from lake import rendering
from lake.encoder import Encoder
from lake.examples import HeldOut, Topics
from lake.models import public_name
from trainer.champion import Comparison
from trainer.evaluation.probe import ProbeScores

FOLDER = "model.sentence_transformer"
"""Where below its artifacts MLflow puts the encoder; the card lies in it."""
_SAMPLE = (
    {"platform": "reddit", "community": "Breadit", "title": None, "text": "Mine went flat as well, colder dough helped.",
     "context": [{"role": "root", "speaker": "other-1", "title": "A flat loaf", "text": "Why does my loaf not rise?"}],
     "label": {"specific": "Reviving a flat loaf with colder dough", "broad": "Bread"}},
    {"platform": "reddit", "community": "tea", "title": "Cold brew overnight", "text": "Eight hours, then strained.", "context": [],
     "label": {"specific": "Cold brewing tea overnight", "broad": "Tea"}, "source_text": "# Cold brew overnight\n\nEight hours, *then* strained."},
)  # fmt: skip
_FORMATS: Mapping[rendering.QueryFormat, str] = {
    "units": "a line a unit, oldest first",
    "brief": "a line a unit, of its context the thread's title alone, oldest first",
    "labels": "the labels of a unit a line, newest first, units without one left out",
    "mixed": "a line a unit, oldest first, its labels behind it where it has some",
    "raw": "a unit a line as its platform writes it, where that is kept, oldest first",
}


@dataclass(frozen=True)
class MergedPart:
    """One encoder of a merge, its share of the weights, and what it was trained on (table -> Delta version)."""

    name: str
    encoder_version: str
    share: float
    trained_on: Mapping[str, int]


@dataclass(frozen=True)
class Provenance:
    """What is known of an encoder beside what it says of itself. `made` completes "The encoder is ..."."""

    kind: Literal["trained", "base", "merged", "unknown"] = "unknown"
    made: str = "an encoder of which nothing is noted but what it says of itself"
    base_version: str | None = None
    base_licence: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    validation: Comparison | None = None
    probe: ProbeScores | None = None
    parts: Sequence[MergedPart] = ()


def card_text(encoder: Encoder, provenance: Provenance, registered_model: str, model_uri: str) -> str:
    """The model card as Markdown; `model_uri` names exactly this encoder in MLflow."""
    sections = (
        _front_matter(encoder), _what_it_is(encoder, provenance, registered_model), _trained_on(encoder, provenance), _scores(provenance),
        _terms(encoder, provenance), _limits(encoder), _how_to_load(encoder, registered_model, model_uri),
    )  # fmt: skip
    return "\n\n".join(sections) + "\n"


def with_section(card: str, section: str) -> str:
    """A card with a section of these lines, the first of which is its heading: in the place of the one of this heading, else before the terms, else at the end."""
    heading = section.partition("\n")[0]
    before, found, rest = card.partition(f"\n{heading}\n")
    if found:
        _, ends, after = rest.partition("\n## ")
        return f"{before}\n{section}\n{ends}{after}" if ends else f"{before}\n{section}\n"
    before, ends, after = card.partition("\n## Terms\n")
    return f"{before}\n{section}\n{ends}{after}" if ends else f"{card.rstrip()}\n\n{section}\n"


def version_description(encoder: Encoder, provenance: Provenance) -> str:
    """One paragraph for the registry."""
    card, scores = encoder.card, _score_words(provenance)
    sentences = [
        f"Encoder {encoder.version} is {provenance.made}.",
        f"It reads histories as {card.query_format} (rendering {card.rendering_version}), at most {card.max_tokens} tokens, and gives {encoder.dimension} numbers.",
        f"Trained on {', '.join(f'{table} {version}' for table, version in sorted(card.trained_on.items()))} (Delta versions)." if card.trained_on else "",
        f"Held out: {_shares(card.held_out)}{_places(card.held_out)}." if card.held_out else "",
        f"{scores[0].upper()}{scores[1:]}." if scores else "",
        f"Its card is {FOLDER}/README.md among its artifacts.",
    ]
    return " ".join(filter(None, sentences))


def model_description(alias: str, trained_alias: str) -> str:
    """One paragraph on the registered model and its aliases."""
    return (
        "Text encoders of Kindred: each puts the history of a person and the words of items into one space, so that what a person would want next, who is like "
        f"them and who would care for a text are questions of nearness. `{alias}` is the version that is served, `{trained_alias}` the one that was made last; "
        f"vectors of two versions cannot be compared. Each version's card is {FOLDER}/README.md among its artifacts."
    )


def _score_words(provenance: Provenance) -> str:
    validation, probe, words = provenance.validation, provenance.probe, []
    if validation is not None and validation.people:
        auc = validation.personal_auc
        words.append(f"validation personal AUC {auc['tuned']:.3f} after training, {auc['base']:.3f} of the base ({validation.people} people)")
    if probe is not None and provenance.kind != "base":
        words.append(
            f"general probe MRR {probe.probe_mrr_tuned:.3f}, {probe.probe_mrr_base:.3f} of the base, cosine distance to it {probe.distance_to_base:.3f}"
        )
    return "; ".join(words)


def _front_matter(encoder: Encoder) -> str:
    facts = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "base_model": public_name(encoder.card.base_model),
        "tags": ["sentence-transformers", "sentence-similarity", "user-embeddings", "kindred"],
    }
    return f"---\n{yaml.safe_dump(facts, sort_keys=False)}---"


def _what_it_is(encoder: Encoder, provenance: Provenance, registered_model: str) -> str:
    card = encoder.card
    base = f"{public_name(card.base_model)}" + (f" (`{provenance.base_version}`)" if provenance.base_version else "")
    cut = f"; may be cut to {', '.join(map(str, card.dimensions))}" if card.dimensions else ""
    facts = {
        "`encoder_version`": f"`{encoder.version}`",
        "base": base,
        "dimension": f"{encoder.dimension}, float32, unit length{cut}",
        "longest text": f"{card.max_tokens} tokens; of a longer history the newest units that fit are read",
        "query format": f"{card.query_format}, rendering {card.rendering_version}: {_FORMATS[card.query_format]}; own words up to {card.own_chars} characters, "
        f"of its context up to {card.context_chars} each",
        "ranking by what is likely": _ranking(encoder),
        "prompts": "; ".join(f"{side}: `{json.dumps(prompt, ensure_ascii=False)}`" for side, prompt in card.prompts.items() if prompt) or "none",
    }
    return "\n".join(
        [
            f"# {registered_model} {encoder.version}",
            "",
            "A text encoder of Kindred: it puts what a person did and said, and the words of items, into one space, in which near means alike. "
            f"This one is {provenance.made}.",
            "",
            *_table(("", ""), facts.items()),
            "",
            "A history of two units, as it is read (invented):",
            "",
            *(f"    {line}" for line in _sample(encoder).splitlines()),
        ]
    )


def _ranking(encoder: Encoder) -> str:
    """By which weight counts of items belong beside this encoder's cosines."""
    fitted = ", ".join(f"{weight:g} ({level} labels)" for level, weight in encoder.card.popularity_weights.items())
    if not fitted and encoder.card.temperature is None:
        return "not known: by the cosine alone"
    weight = f"{fitted}, as people to choose by say" if fitted else f"{encoder.card.temperature:.3g}, the temperature of its loss"
    return f"cosine + w log(1 + how often people have the item), w = {weight}"


def _trained_on(encoder: Encoder, provenance: Provenance) -> str:
    lines = ["## Trained on", ""]
    if provenance.parts:
        rows = [(part.name, f"`{part.encoder_version}`", f"{part.share:.3g}", _versions(part.trained_on)) for part in provenance.parts]
        lines += ["The weights are the mean of these encoders':", "", *_table(("encoder", "version", "share", "tables (Delta versions)"), rows), ""]
    if encoder.card.trained_on:
        newest = " (of each the newest that one of the merged encoders met)" if provenance.parts else ""
        lines.append(f"Tables of the lake, with their Delta versions{newest}: {_versions(encoder.card.trained_on)}.")
    else:
        lines.append("Nothing of a lake: it is what its base is.")
    if encoder.card.platforms:
        lines.append(f"They are of people of {', '.join(encoder.card.platforms)}.")
    if encoder.card.held_out:
        by_hash = "" if encoder.card.held_out.acts else ", by a hash of `person_id`"
        lines.append(f"Held out from training: {_shares(encoder.card.held_out)}{by_hash}{_places(encoder.card.held_out)}.")
    if provenance.settings:
        settings = [(f"`{name}`", f"`{json.dumps(value, ensure_ascii=False)}`") for name, value in provenance.settings.items()]
        lines += ["", *_table(("setting", "value"), settings)]
    return "\n".join(lines)


def _scores(provenance: Provenance) -> str:
    rows: list[tuple[str, str, str]] = []
    validation, probe = provenance.validation, provenance.probe
    if validation is not None:
        auc = validation.personal_auc
        rows.append((f"personal AUC, specific labels, {validation.people} validation people", _number(auc["tuned"]), _number(auc["base"])))
    if probe is not None:
        rows.append(("general probe, recall@1", _number(probe.probe_recall_at_1_tuned), _number(probe.probe_recall_at_1_base)))
        rows.append(("general probe, MRR", _number(probe.probe_mrr_tuned), _number(probe.probe_mrr_base)))
        rows.append(("general probe, mean cosine distance to the base", _number(probe.distance_to_base), _number(0.0)))
    is_base = provenance.kind == "base"
    heads = ("", "what training made of it (another version)" if is_base else "this encoder", "this encoder, the base" if is_base else "base")
    table = _table(heads, rows) if rows else ["None are noted."]
    return "\n".join(["## Scores", "", *table, "", " ".join(_words_on_scores(provenance))])


def _words_on_scores(provenance: Provenance) -> list[str]:
    """What the scores are, and what they are not."""
    words = []
    if provenance.validation is not None:
        words.append(
            "Personal AUC: the chance that a label of what a person does later scores above one of what somebody else does later; 0.5 is chance. Encoders are "
            "chosen by validation people, so that their score flatters."
            + (f" Training minus base, with intervals: {provenance.validation.tuned_over_base}." if provenance.validation.people else "")
        )
    if provenance.probe is not None:
        words.append(
            "The general probe asks for the titles of short everyday texts in several languages, which ship with Kindred and were in no training of its own: what "
            "an encoder loses there against its base it has forgotten."
        )
    return [*words, "`kindred trainer evaluate` asks people by whom nothing was chosen."]


def _terms(encoder: Encoder, provenance: Provenance) -> str:
    base = public_name(encoder.card.base_model)
    stated = (
        f"the files of the base, {base}, say: {rendering.plain(provenance.base_licence, 200)}" if provenance.base_licence else f"the base, {base}: not stated"
    )
    return (
        f"## Terms\n\nLicence of the base: {stated}. It binds whoever uses or passes on this encoder too; read it at its source, since this line is copied and "
        "not checked. What the lake's texts may be used for is up to the terms of the archives and to your law."
    )


def _limits(encoder: Encoder) -> str:
    card = encoder.card
    return "\n".join(
        [
            "## Limits",
            "",
            f"- **Formats.** Histories are read as {card.query_format} of rendering {card.rendering_version}, the lines above. Raw logs, JSON or another rendering "
            "are formats that it has not seen, and nothing says that it reads them; topics that it has not seen are what it is for.",
            "- **Communities.** Scores are of people of the same archive as those whom it was trained on; elsewhere measure first.",
            "- **Languages.** It knows those of its base and of the archive; of any other nothing is known but the probe's few pairs.",
            "- **People.** The vector of a history is personal data as the history is, and so, as far as it remembers, is an encoder that was trained on histories. "
            "Who is erased from the lake stays in weights that are trained already: train again. It is made to recommend, not to judge what a person is.",
            "- **Comparison.** Vectors of two encoder versions, or of one with other prompts, lie in different spaces.",
        ]
    )


def _how_to_load(encoder: Encoder, registered_model: str, model_uri: str) -> str:
    folder, prompts = f"encoder/{FOLDER}", encoder.card.prompts
    query, item = (f", prompt={prompts[side]!r}" if prompts.get(side) else "" for side in ("query", "specific"))
    history = _sample(encoder)
    return f"""## How to load it

`MLFLOW_TRACKING_URI` names the registry, by default `sqlite:///LAKE/_local/mlflow.db`. The encoder is not the top of its artifacts but lies below, in
`{FOLDER}/`; fetched once, sentence-transformers alone loads it:

```sh
mlflow artifacts download --artifact-uri {model_uri} --dst-path encoder
```

```python
from sentence_transformers import SentenceTransformer

encoder = SentenceTransformer("{folder}")
history = {history!r}
(person,) = encoder.encode([history]{query}, normalize_embeddings=True)
items = encoder.encode(["Reviving a flat loaf", "Changing a bicycle tyre"]{item}, normalize_embeddings=True)
print(items @ person)
```

With MLflow:

```python
import mlflow

encoder = mlflow.sentence_transformers.load_model("{model_uri}")
```

In Kindred, by the alias that the lake's settings name, whatever version of `{registered_model}` that is by now:

```python
from lake.config import LakeConfig
from lake.encoder import load_registered

encoder = load_registered(LakeConfig(path="lake-local"))
items = encoder.encode_items(["Reviving a flat loaf"], "specific")
```"""


def _sample(encoder: Encoder) -> str:
    """A history of two invented units, whole, as the encoder reads it."""
    card = encoder.card
    units = _SAMPLE[::-1] if card.query_format in rendering.NEWEST_FIRST else _SAMPLE
    lines = (rendering.history_line(unit, card.query_format, card.own_chars, card.context_chars) for unit in units)
    return rendering.join_history([line for line in lines if line is not None])


def _table(heads: Sequence[str], rows: Any) -> list[str]:
    """Lines of a Markdown table; a bar in a cell would end it."""
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [_row(heads), _row(["---"] * len(heads)), *map(_row, cells)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _versions(tables: Mapping[str, int]) -> str:
    return ", ".join(f"`{table}` {version}" for table, version in sorted(tables.items())) or "none"


def _shares(held_out: HeldOut) -> str:
    if held_out.acts == "last":
        return "no people, whom it met all; of everybody, the last item that they acted on to judge it by, and the one before to choose it by"
    if held_out.acts:
        return "no people, whom it met all; of everybody, what they did after a moment, the same for all"
    return f"{held_out.validation_share:.0%} of all people to choose an encoder by, and {held_out.test_share:.0%} to judge it by"


def _places(held_out: HeldOut) -> str:
    places = f"; and everybody who ever acted in {', '.join(held_out.communities)}" if held_out.communities else ""
    return places + (f"; and, from everybody's answers, {_topics(held_out.topics)} with all specific labels beside one of them" if held_out.topics else "")


def _topics(topics: Topics) -> str:
    return f"{topics:.0%} of all broad labels, by a hash of their words," if isinstance(topics, float) else f"the broad labels {', '.join(topics)}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
