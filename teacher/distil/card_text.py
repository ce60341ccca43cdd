"""What is written of a distilled teacher for people: its model card. Pure text of facts."""

from collections.abc import Sequence

import yaml

from lake.rendering import plain
from teacher.audit.measures import INTERVAL
from teacher.audit.table import audit_text
from teacher.card import TeacherCard
from teacher.distil.held_out import HeldOutFigures


def card_text(card: TeacherCard, teacher_version: str, figures: HeldOutFigures, registered_model: str) -> str:
    """The card as Markdown."""
    return "\n\n".join([_front_matter(card), _what_it_is(card, teacher_version), _figures(card, figures), _terms(card), _how_to_use(registered_model)]) + "\n"


def _front_matter(card: TeacherCard) -> str:
    facts = {"library_name": "transformers", "pipeline_tag": "text-generation", "base_model": card.base, "tags": ["labels", "kindred"]}
    return f"---\n{yaml.safe_dump(facts, sort_keys=False)}---"


def _what_it_is(card: TeacherCard, teacher_version: str) -> str:
    return (
        f"# {plain(card.name, 200)}\n\nA small language model that says in two labels what one act of somebody on a platform is about. It was fine-tuned from {card.base} on the labels "
        f"that teacher `{card.learned_from}` ({plain(card.learned_from_model, 200)}) gave to {card.contents} contents, to answer the prompt `{card.prompt.prompt_version}`, which is part of its "
        f"folder. Its own labels stand under teacher_version `{teacher_version}`."
    )


def _figures(card: TeacherCard, figures: HeldOutFigures) -> str:
    table = audit_text(figures.teachers, figures.pairs, [], figures.contents, INTERVAL)
    return (
        f"## Held-out figures\n\nOn {figures.contents} contents of people of whose contents it learned none ({card.held_out_share:.0%} of all people), its labels and those of the strong "
        f"teacher have a cosine of {figures.agreement:.3f} on the mean over both levels, where a content without a label counts 0. Nearness is by a frozen encoder; whether labels are right is for "
        f"a reader.\n\n```\n{table}\n```"
    )


def _terms(card: TeacherCard) -> str:
    stated: Sequence[str] = [
        f"The files of the base, {card.base}, say of their licence: {plain(card.base_licence, 200)}."
        if card.base_licence
        else f"The files of the base, {card.base}, state no licence.",
        "Terms of the strong teacher may say what its labels may be used for, and its labels are made of people's words, which the weights may hold in part: keep them as you keep the lake.",
    ]
    return "## Terms\n\n" + " ".join(stated)


def _how_to_use(registered_model: str) -> str:
    return (
        f"## Use\n\n`kindred teacher label --set teacher.model=models:/{registered_model}@distilled`, or the path of this folder in the place of the name. Any server that reads folders of "
        "transformers serves it; it answers as it learned to with its own prompt alone."
    )
