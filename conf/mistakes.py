"""What is wrong with settings and words that a user gave, in sentences; with the word that was probably meant."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

Place = tuple[int | str, ...]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence that names the known word closest to a wrong one; empty where none is close."""
    close = closest(word, known)
    return f"; did you mean {close!r}?" if close else ""


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that a wrong one was probably meant to be, in any case of letters; None where none is close."""
    by_lower = {other.lower(): other for other in known}
    found = get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def sentences(section: str, error: ValidationError, model: type[BaseModel]) -> list[str]:
    """What is wrong with each key of a section (or of a part of one, by its dotted name); what merely follows from another mistake is left out."""
    problems = error.errors()
    places = [tuple(problem["loc"]) for problem in problems]
    meant = {place: _meant_key(model, place, places) for place, problem in zip(places, problems, strict=True) if problem["type"] == "extra_forbidden"}
    follow_ups = {(*place[:-1], key) for place, key in meant.items() if key}  # a required key that is missing because it is misspelt
    found = []
    for place, problem in zip(places, problems, strict=True):
        name = ".".join([section, *(str(step) for step in place if step != "[key]")])
        if problem["type"] == "extra_forbidden":
            found.append(f"unknown key {name}" + (f"; did you mean {meant[place]!r}?" if meant[place] else ""))
        elif problem["type"] == "missing":
            found += [f"{name} is missing"] if place not in follow_ups else []
        elif not _counts_what_is_wrong_below(problem["type"], place, places):
            found.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}{_as_found(problem['input'])}")
    return found


def _counts_what_is_wrong_below(kind: str, place: Place, places: Sequence[Place]) -> bool:
    """Whether a list is called too short only because entries of it are wrong, which pydantic leaves out before it counts."""
    return kind == "too_short" and any(len(other) > len(place) and other[: len(place)] == place for other in places)


def _as_found(value: Any) -> str:
    """The value, unless it is a whole part of the settings."""
    return "" if isinstance(value, dict | list) and value else f", found {value!r}"


def _meant_key(model: type[BaseModel], place: Place, wrong: Sequence[Place]) -> str | None:
    """The key of the model at a place that an unknown one was meant to be: it stands one level lower, or is close, one that is missing first."""
    *parents, unknown = place
    parent = _model_at(model, parents)
    if parent is None:
        return None
    missing = [name for name in parent.model_fields if (*parents, name) in wrong]
    return _one_level_lower(parent, str(unknown)) or closest(str(unknown), missing) or closest(str(unknown), parent.model_fields)


def _one_level_lower(model: type[BaseModel], key: str) -> str | None:
    """The dotted name of a key that a part of the model has; None where no part has it."""
    parts = {name: field.annotation for name, field in model.model_fields.items() if isinstance(field.annotation, type)}
    names = [f"{name}.{key}" for name, part in parts.items() if issubclass(part, BaseModel) and key in part.model_fields]
    return names[0] if names else None


def _model_at(annotation: Any, place: Sequence[int | str]) -> type[BaseModel] | None:
    """The model that a place below an annotation is checked by; None where no model is."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not place:
            return annotation
        field = annotation.model_fields.get(str(place[0]))
        return _model_at(field.annotation, place[1:]) if field else None
    arguments = [argument for argument in get_args(annotation) if argument not in (type(None), Ellipsis)]
    if not arguments:
        return None
    is_entry = place and getattr(annotation, "__origin__", None) in (tuple, list, dict)
    return _model_at(arguments[-1], place[1:] if is_entry else place)
