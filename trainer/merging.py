"""Weights of several encoders -> one encoder. Sources: Wortsman et al. 2022, https://arxiv.org/abs/2203.05482 (model soups) and, with the base in the mix,
Wortsman et al. 2022, https://arxiv.org/abs/2109.01903 (WiSE-FT).
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from conf.errors import EncoderError
from lake.encoder import CARD_FILE, Encoder, EncoderCard, content_files, file_hash, save_encoder
from lake.examples import HeldOut
from trainer.student import content_version

MERGING_VERSION = "2"
"""Changes with the code that merges: other weights of the same encoders."""
MET = ("temperature", "popularity_weights", "popularity_weights_of_base", "trained_on", "platforms", "held_out", "dimensions")
"""What encoders that are merged need not share of their cards: a base met nobody and had no loss, tables grow, and not all are trained to be cut."""


@dataclass(frozen=True)
class Part:
    """One encoder of a merge: as it was asked for, its `encoder_version`, its share of the weights (all shares give 1), and how it is loaded."""

    name: str
    version: str
    share: float
    card: EncoderCard
    load: Callable[[], Encoder]


def shares_of(weights: Sequence[float], base_share: float = 0.0) -> list[float]:
    """Shares in proportion to weights; all of them together leave `base_share` to the base."""
    return [weight / sum(weights) * (1 - base_share) for weight in weights]


def merged_card(parts: Sequence[Part]) -> EncoderCard:
    """The card of the merge. Raises EncoderError where the parts read texts in different ways or held out different people.

    Of each table the newest version that any part was trained on, all platforms that any met, of the sizes to which vectors may be cut those of all parts (a base has none), and of the temperatures
    the mean by share. What popularity weighs beside the merge was fitted by nobody.
    """
    first = parts[0]
    for part in parts[1:]:
        _check_same_card(first, part)
    trained_on: dict[str, int] = {}
    for part in parts:
        trained_on |= {table: max(version, trained_on.get(table, version)) for table, version in part.card.trained_on.items()}
    dimensions = sorted(set.intersection(*(set(part.card.dimensions) for part in parts)))
    warm = [(part.card.temperature, part.share) for part in parts if part.card.temperature is not None]
    temperature = sum(each * share for each, share in warm) / sum(share for _, share in warm) if warm else None
    of_base = next((part.card.popularity_weights_of_base for part in parts if part.card.popularity_weights_of_base), {})
    met = {
        "popularity_weights": {},
        "popularity_weights_of_base": of_base,
        "trained_on": trained_on,
        "platforms": _platforms_met(parts),
        "held_out": _common_held_out(parts),
    }
    return first.card.model_copy(update={"temperature": temperature, "dimensions": dimensions, **met})


def _check_same_card(first: Part, part: Part) -> None:
    for field in EncoderCard.model_fields:
        one, other = getattr(first.card, field), getattr(part.card, field)
        if field not in MET and one != other:
            raise EncoderError(f"{first.name} and {part.name} cannot be merged: {field} is {one!r} and {other!r}; expected encoders of one base and one format")


def _platforms_met(parts: Sequence[Part]) -> list[str]:
    """Those of all parts; none, which says that it is not known, where one that was trained does not say."""
    trained = [part.card.platforms for part in parts if part.card.trained_on]
    return sorted(set().union(*trained)) if all(trained) else []


def _common_held_out(parts: Sequence[Part]) -> HeldOut | None:
    """Whom no part met: the shares must be the same, or some would be judged on people whom another was trained on. A base met nobody."""
    trained = [part for part in parts if part.card.trained_on or part.card.held_out]
    for part in trained:
        if part.card.may_have_met_anybody:
            raise EncoderError(f"{part.name} cannot be merged: it does not say who was held out from its training; train it again")
        if part.card.held_out != trained[0].card.held_out:
            raise EncoderError(
                f"{trained[0].name} and {part.name} cannot be merged: they held out different people or topics ({trained[0].card.held_out!r} and "
                f"{part.card.held_out!r}), so that one may have met whom the other is judged on; train both with the same shares"
            )
    return trained[0].card.held_out if trained else None


def merge(parts: Sequence[Part]) -> Encoder:
    """The mean of the parts' weights by share, in float32; beside the mean at most two are in memory. Raises EncoderError where they are not alike."""
    card = merged_card(parts)
    loaded = _loaded(parts)
    first = next(loaded)
    weights = {name: _scaled(tensor, parts[0].share) for name, tensor in first.model.state_dict().items()}
    for part, encoder in zip(parts[1:], loaded, strict=True):
        _add(weights, encoder.model.state_dict(), part.share, f"{parts[0].name} and {part.name}")
    first.model.load_state_dict(weights)
    return Encoder(first.model, card, content_version(first.model, card))


def _loaded(parts: Sequence[Part]) -> Iterator[Encoder]:
    """The parts one after the other. Raises EncoderError where one's settings or tokenizer are not the first's."""
    settings: dict[str, bytes] = {}
    for part in parts:
        encoder = part.load()
        found = saved_settings(encoder)
        settings = settings or found
        others = sorted(name for name in settings.keys() | found.keys() if settings.get(name) != found.get(name))
        if others:
            raise EncoderError(f"{parts[0].name} and {part.name} cannot be merged: {', '.join(others)} differ; expected one architecture and one tokenizer")
        yield encoder


def saved_settings(encoder: Encoder) -> dict[str, bytes]:
    """Hash of each file that an encoder is saved with, but for weights and card: how it is built, and its tokenizer."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        save_encoder(encoder.model, encoder.card, folder)
        names = [name for name in content_files(folder) if not name.endswith(".safetensors") and name != CARD_FILE]
        return {name: file_hash(folder / name) for name in names}


def _add(weights: dict[str, Tensor], tensors: Mapping[str, Tensor], share: float, names: str) -> None:
    """Add a part's tensors, by share, in place."""
    for name in sorted(weights.keys() | tensors.keys()):
        one, other = weights.get(name), tensors.get(name)
        if one is None or other is None or one.shape != other.shape:
            shapes = " and ".join("absent" if tensor is None else str(tuple(tensor.shape)) for tensor in (one, other))
            raise EncoderError(f"{names} cannot be merged: {name} is {shapes}; expected one architecture")
        if one.is_floating_point():
            one += _scaled(other, share)
        elif not torch.equal(one, other):
            raise EncoderError(f"{names} cannot be merged: {name} are whole numbers, which have no mean, and differ")


def _scaled(tensor: Tensor, share: float) -> Tensor:
    return tensor.detach().float() * share if tensor.is_floating_point() else tensor.detach().clone()
