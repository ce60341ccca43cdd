"""What labelling a sample would take, from the tokens of some of its prompts. Pure.

Prompts of whole threads are counted, in batches as they would be asked, so that what they share is found as an engine with a cache of prefixes finds it: in whole blocks of tokens
that an earlier prompt of the batch began with. Of prompts that are read at the same moment an engine shares less than that.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from teacher.engines.tokens import PromptTokens
from teacher.labelling import first_question
from teacher.prompts import Prompt, broad_question, own_labels

MIN_PROBED = 20
"""Prompts of a stratum from which its own mean counts; with fewer that of all does."""
USUAL_BROAD = "Personal Finance"
"""In the place of a category where the prompt shows none."""


class Tokens(NamedTuple):
    """Of one content, or of several: tokens of prompts, those of them that were read before, and tokens of answers."""

    prompt: float
    cached: float
    completion: float


class Costs(NamedTuple):
    """What a second of an engine does, and what an hour of it costs; None where it is not known."""

    tokens_per_second: float | None
    price_per_hour: float | None


class Forecast(NamedTuple):
    """What the contents of one stratum would take."""

    stratum: str
    contents: int
    people: int
    tokens: Tokens

    @property
    def cached_share(self) -> float:
        """Of the tokens of prompts."""
        return self.tokens.cached / self.tokens.prompt if self.tokens.prompt else 0.0

    def hours(self, costs: Costs) -> float | None:
        """Of the engine."""
        computed = self.tokens.prompt - self.tokens.cached + self.tokens.completion
        return None if costs.tokens_per_second is None else computed / costs.tokens_per_second / 3600

    def price(self, costs: Costs) -> float | None:
        """Of these hours."""
        hours = self.hours(costs)
        return None if hours is None or costs.price_per_hour is None else hours * costs.price_per_hour


def probed(chosen: pa.Table, prompts: int) -> pa.Table:
    """Some of a sample whose prompts are counted: whole threads, by a hash, until there are as many as asked for."""
    threads = [thread or unit_id for thread, unit_id in zip(chosen["thread_id"].to_pylist(), chosen["unit_id"].to_pylist(), strict=True)]
    hashes = {thread: hashlib.sha256(thread.encode("utf-8", "surrogatepass")).digest() for thread in set(threads)}
    order = sorted(range(len(threads)), key=lambda place: (hashes[threads[place]], place))
    return chosen.take(pa.array(order[:prompts], pa.int64()))


def tokens_of_units(
    tokens: PromptTokens, prompt: Prompt, units: Sequence[Mapping[str, Any]], batch_units: int, block: int, written: float
) -> list[Tokens]:  # fmt: skip
    """What each unit's questions take, in the order of the units, which are asked in such batches, with answers of `written` tokens. The specific label that a second question is
    about is taken for one of those that the prompt shows."""
    questions = [first_question(tokens, prompt, unit) for unit in units]
    counted = _counted([[] if question is None else tokens.of(question) for question in questions], batch_units, block)
    if prompt.style == "chat":
        return [Tokens(read, cached, written if read else 0) for read, cached in counted]
    specifics = [*own_labels(prompt), *(category.specific for category in prompt.categories)]
    examples = [tokens.of(broad_question(prompt, specific)) for specific in specifics]
    broads = [examples[number % len(examples)] if examples else tokens.of(broad_question(prompt, USUAL_BROAD)) for number in range(len(units))]
    both = zip(counted, _counted(broads, batch_units, block), strict=True)
    return [Tokens(read + read_again, cached + cached_again, written) if read else Tokens(0, 0, 0) for (read, cached), (read_again, cached_again) in both]


def with_cached_share(counted: Sequence[Tokens], share: float) -> list[Tokens]:
    """The same contents where so large a share of all their prompts is cached, each by as much more or less."""
    whole = _mean_tokens(counted)
    factor = share * whole.prompt / whole.cached if whole.cached else 0.0
    return [tokens._replace(cached=min(tokens.cached * factor, tokens.prompt)) for tokens in counted]


def answer_tokens(tokens: PromptTokens, prompt: Prompt) -> float:
    """Tokens of both labels of a unit, by those that the prompt shows; as many as are allowed where it shows none."""
    specifics = own_labels(prompt)
    broads = [category.broad for category in prompt.categories] or [USUAL_BROAD]
    if not specifics:
        return prompt.specific_tokens + (prompt.broad_tokens if prompt.style == "completion" else 0)
    if prompt.style == "chat":
        return _mean([len(tokens.of(json.dumps({"specific": specific, "broad": broads[0]}))) for specific in specifics])
    return _mean([len(tokens.of(f" {label}\n")) for label in specifics]) + _mean([len(tokens.of(f" {label}\n")) for label in broads])


def forecasts(chosen: pa.Table, of_strata: Sequence[str], counted: Sequence[Tokens]) -> list[Forecast]:
    """The forecast of each stratum of a sample, the largest first; `counted` of contents of these strata. Together they are the mean of all that was counted, for each content."""
    contents, people = Counter(chosen["stratum"].to_pylist()), Counter[str]()
    for each in chosen.group_by(["stratum", "person_id"], use_threads=False).aggregate([]).to_pylist():
        people[each["stratum"]] += 1
    overall = _mean_tokens(counted)
    means = {}
    for stratum in contents:
        own = [tokens for of_stratum, tokens in zip(of_strata, counted, strict=True) if of_stratum == stratum]
        means[stratum] = _mean_tokens(own) if len(own) >= MIN_PROBED else overall
    sums = Tokens(*(sum(contents[stratum] * mean[kind] for stratum, mean in means.items()) for kind in range(3)))
    scale = Tokens(*(overall[kind] * contents.total() / sums[kind] if sums[kind] else 1.0 for kind in range(3)))
    ranked = sorted(contents.items(), key=lambda item: (-item[1], item[0]))
    return [
        Forecast(stratum, count, people[stratum], Tokens(*(count * mean * factor for mean, factor in zip(means[stratum], scale, strict=True))))
        for stratum, count in ranked
    ]


def together(name: str, parts: Sequence[Forecast]) -> Forecast:
    """Several strata as one."""
    tokens = Tokens(*(sum(part.tokens[kind] for part in parts) for kind in range(3)))
    return Forecast(name, sum(part.contents for part in parts), sum(part.people for part in parts), tokens)


def _counted(prompts: Sequence[Sequence[int]], batch_units: int, block: int) -> Iterator[tuple[int, int]]:
    """Tokens of each prompt, and how many of them an earlier one of its batch began with."""
    for start in range(0, len(prompts), batch_units):
        known: set[bytes] = set()
        for prompt in prompts[start : start + batch_units]:
            begins = list(_blocks(prompt, block))
            cached = next((place for place, begin in enumerate(begins) if begin not in known), len(begins))
            known.update(begins)
            yield len(prompt), min(cached * block, max(0, (len(prompt) - 1) // block * block))


def _blocks(prompt: Sequence[int], block: int) -> Iterator[bytes]:
    """A digest of what each whole block of a prompt ends."""
    digest = hashlib.sha256()
    for start in range(0, len(prompt) - block + 1, block):
        digest.update(json.dumps(list(prompt[start : start + block])).encode())
        yield digest.digest()


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _mean_tokens(counted: Sequence[Tokens]) -> Tokens:
    return Tokens(*(_mean(kind) for kind in zip(*counted, strict=True))) if counted else Tokens(0, 0, 0)
