"""Histories -> the contents worth a label, under a budget. Pure.

People come first: each has a key, a hash of the person times a power of the size of the person's stratum, and whoever has the smallest keys is taken. So nobody's place depends
on the order of rows, a larger budget takes all that a smaller one takes, and an archive that grows moves the border a little and leaves most of the sample as it is.
Of a person windows of successive units are taken, each begun by a hash of the unit.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

UNKNOWN = "unknown"
LANGUAGE = "^[A-Za-z]{2,3}(-|$)"
DIMENSIONS = ("platform", "language", "year", "length", "community")
SAMPLING_VERSION = "sampling-1"
"""Changes with what is picked under the same settings."""
CANDIDATES = pa.schema([
    ("key", pa.float64()), ("turn", pa.int32()), ("stratum", pa.dictionary(pa.int32(), pa.string())), ("person_id", pa.string()), ("unit_id", pa.string()),
    ("content", pa.string()), ("thread_id", pa.string()), ("platform", pa.string()), ("community", pa.string()),
])  # fmt: skip
"""A unit that may be chosen: the person's key and stratum, and its turn among the person's."""
SLACK = 1.5
"""How many candidates stand in memory, of the budget, before those that cannot be chosen any more are dropped."""


class Windows(NamedTuple):
    """Whose units may be taken, and how many of whom: of the newest `history_units` all but the oldest `past_units`; nobody with fewer than `min_units` of these."""

    history_units: int
    past_units: int
    min_units: int
    window_units: int
    units_per_person: int


class Budget(NamedTuple):
    """Contents in all, and units of one community, at most."""

    contents: int
    per_community: int


def number_of(name: str) -> int:
    """64 bits of a hash of a person or a unit; another one than that which parts people to train on from others."""
    return int.from_bytes(hashlib.sha256(f"sample\x1f{name}".encode("utf-8", "surrogatepass")).digest()[:8], "big")


def fraction(name: str) -> float:
    """`number_of` as a number from 0 to 1."""
    return number_of(name) / 2**64


def eligible_units(units: pa.Table, windows: Windows) -> pa.Table:
    """Of whole histories (person_id, unit_id, created_at, ...) the units that may be taken, by person, oldest first, with `history`: how many units the person has."""
    units = units.sort_by([("person_id", "ascending"), ("created_at", "ascending"), ("unit_id", "ascending")])
    counts = np.diff(_borders(units["person_id"]))
    lengths = np.repeat(counts, counts)
    position = np.arange(units.num_rows) - np.repeat(np.cumsum(counts) - counts, counts)
    oldest = np.maximum(lengths - windows.history_units, 0) + windows.past_units
    has_enough = lengths - oldest >= windows.min_units
    return units.append_column("history", pa.array(lengths, pa.int64())).filter(pa.array((position >= oldest) & has_enough))


class Languages(NamedTuple):
    """Main languages of people: `number_of` each, ascending, and the place of the language among `names`. Shapes: (P,)."""

    persons: NDArray[np.uint64]
    codes: NDArray[np.int32]
    names: list[str]

    def of(self, person_ids: Sequence[str]) -> list[str]:
        """The language of each of these people; UNKNOWN where no unit of a person has one."""
        wanted = np.array([number_of(person_id) for person_id in person_ids], np.uint64)
        places = np.searchsorted(self.persons, wanted)
        known = places < len(self.persons)
        known[known] = self.persons[places[known]] == wanted[known]
        return [self.names[self.codes[place]] if is_known else UNKNOWN for place, is_known in zip(places.tolist(), known.tolist(), strict=True)]


class LanguageCounts:
    """How many units each person has in each language, a row for each that a person has any in."""

    def __init__(self) -> None:
        self._parts = [pa.table({"person": pa.array([], pa.uint64()), "language": pa.array([], pa.string()), "units": pa.array([], pa.int64())})]

    def add(self, units: pa.Table) -> None:
        """Count units (person_id, language), by the first subtag; what is no language tag says nothing: each made-up one would be a rare stratum."""
        known = units.filter(pc.match_substring_regex(units["language"], LANGUAGE))
        persons = known["person_id"].combine_chunks().dictionary_encode()
        numbers = pa.array([number_of(person_id) for person_id in persons.dictionary.to_pylist()], pa.uint64()).take(persons.indices)
        primary = pc.utf8_lower(pc.list_element(pc.split_pattern(known["language"], "-", max_splits=1), 0))
        self._parts.append(_counted(pa.table({"person": numbers, "language": primary}), "person", "language"))
        if sum(part.num_rows for part in self._parts[1:]) > max(1_000_000, self._parts[0].num_rows):
            self._parts = [self._summed()]

    def main(self) -> Languages:
        """Each person's language of most units; of equals the first by name."""
        main = _first_of_each(self._summed(), "person", "language")
        languages = main["language"].combine_chunks().dictionary_encode()
        return Languages(main["person"].to_numpy(), languages.indices.to_numpy(), languages.dictionary.to_pylist())

    def _summed(self) -> pa.Table:
        summed = pa.concat_tables(self._parts).group_by(["person", "language"], use_threads=False).aggregate([("units", "sum")])
        return summed.rename_columns(["person", "language", "units"])


def people_of(units: pa.Table, languages: Languages) -> pa.Table:
    """One row a person of eligible units: `person_id`, and DIMENSIONS, of which `community` is its name still and null where most units are in none."""
    borders = _borders(units["person_id"])
    first, middle = pa.array(borders[:-1]), pa.array((borders[:-1] + borders[1:] - 1) // 2)
    person_ids = units["person_id"].take(first)
    return pa.table({
        "person_id": person_ids,
        "platform": _most_frequent(units, "platform"),
        "language": pa.array(languages.of(person_ids.to_pylist()), pa.string()),
        "year": pc.year(units["created_at"].take(middle)).cast(pa.string()),
        "length": pa.array([_band(length, 4) for length in units["history"].take(first).to_pylist()], pa.string()),
        "community": _most_frequent(units, "community"),
    })  # fmt: skip


class Strata:
    """How many people each stratum has, and what it is called. A community stands in it by how many people it is the first of, since most have few."""

    def __init__(self, people: Counter[tuple[str | None, ...]]) -> None:
        """`people`: how many have each combination of DIMENSIONS."""
        self._of_communities: Counter[tuple[str, str | None]] = Counter()
        for (platform, *_, community), count in people.items():
            self._of_communities[str(platform), community] += count
        self.people: Counter[str] = Counter()
        for combination, count in people.items():
            self.people[self.name(*combination)] += count

    def name(self, platform: str | None, language: str | None, year: str | None, length: str | None, community: str | None) -> str:
        """The stratum of somebody of these DIMENSIONS, e.g. 'reddit, en, 2019, 64-255 units, community of 100-999'."""
        size = self._of_communities[str(platform), community]
        place = "no community" if community is None else f"community of {_band(size, 10)}"
        return f"{platform}, {language}, {year}, {length} units, {place}"

    def key(self, person_id: str, stratum: str, balance: float) -> float:
        """Where a person stands among all, smallest first; `balance` as in the settings."""
        return fraction(person_id) * float(self.people[stratum]) ** (1 - balance)


def combinations(people: pa.Table) -> Counter[tuple[str | None, ...]]:
    """How many people have each combination of DIMENSIONS."""
    return Counter(zip(*(people[name].to_pylist() for name in DIMENSIONS), strict=True))


def candidates_of(units: pa.Table, people: pa.Table, strata: Strata, balance: float, windows: Windows, limit: float) -> pa.Table:
    """The CANDIDATES that people give; nobody whose key is over the limit."""
    places: list[int] = []
    turns: list[int] = []
    keys: list[float] = []
    names: list[str] = []
    unit_ids = units["unit_id"]
    for (start, end), row in zip(pairwise(_borders(units["person_id"]).tolist()), people.to_pylist(), strict=True):
        stratum = strata.name(*(row[name] for name in DIMENSIONS))
        key = strata.key(row["person_id"], stratum, balance)
        if key > limit:
            continue
        taken = window_places([fraction(unit_id) for unit_id in unit_ids.slice(start, end - start).to_pylist()], windows)
        places += [start + place for place in taken]
        turns += range(len(taken))
        keys += [key] * len(taken)
        names += [stratum] * len(taken)
    found = units.select(CANDIDATES.names[3:]).take(pa.array(places, pa.int64()))
    made = [pa.array(keys, pa.float64()), pa.array(turns, pa.int32()), pa.array(names, pa.string()).dictionary_encode()]
    return pa.table([*made, *found.columns], schema=CANDIDATES)


def window_places(fractions: Sequence[float], windows: Windows) -> list[int]:
    """Places of the units of one person that are taken, in the order in which they are: windows begin at the units of the smallest fractions."""
    taken: dict[int, None] = {}
    for begin in np.argsort(np.array(fractions), kind="stable").tolist():
        for place in range(begin, min(begin + windows.window_units, len(fractions))):
            if len(taken) == windows.units_per_person:
                return list(taken)
            taken.setdefault(place)
    return list(taken)


@dataclass
class Pool:
    """The candidates that may still be chosen, whatever comes: SLACK times the budget of them at most, and what came last."""

    budget: Budget
    limit: float = np.inf
    """Key over which nobody is needed any more."""
    _parts: list[pa.Table] = field(default_factory=lambda: [CANDIDATES.empty_table()])
    _rows: int = 0

    def add(self, candidates: pa.Table) -> None:
        """Take candidates in, each person's all at once."""
        self._parts.append(candidates)
        self._rows += candidates.num_rows
        if self._rows > SLACK * self.budget.contents:
            self._drop()

    def chosen(self) -> pa.Table:
        """The sample, in the order of choice; one row a content, without rows that only count towards a community."""
        self._drop()
        (kept,) = self._parts
        return kept.filter(pa.array(_first_of_its_content(kept)))

    def _drop(self) -> None:
        """Leave what is chosen by now: whoever is not will not be, as others can only come before."""
        kept = within_budget(pa.concat_tables(self._parts).unify_dictionaries(), self.budget)
        self._parts, self._rows = [kept], kept.num_rows
        if int(_first_of_its_content(kept).sum()) >= self.budget.contents:
            self.limit = kept["key"][-1].as_py()


def within_budget(candidates: pa.Table, budget: Budget) -> pa.Table:
    """Candidates in the order of choice: of each community its first ones, and of these as many as hold the budget's contents. A content that comes again counts in its community
    and not in the budget."""
    ordered = candidates.sort_by([("key", "ascending"), ("person_id", "ascending"), ("turn", "ascending")])
    ordered = ordered.filter(pa.array(_turn_in_community(ordered) < budget.per_community))
    is_first = _first_of_its_content(ordered)
    counts = (np.cumsum(is_first) <= budget.contents) & (is_first | ordered["community"].is_valid().to_numpy())
    return ordered.filter(pa.array(counts)).combine_chunks()


def _turn_in_community(candidates: pa.Table) -> NDArray[np.int64]:
    """How many of the same community stand before each candidate; 0 where it is in none."""
    names = pc.binary_join_element_wise(candidates["platform"], candidates["community"], "\x1f")  # null where the community is
    numbers = _numbers(names)
    order = np.argsort(numbers, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(numbers[order]))]) if len(order) else np.zeros(1, np.int64)
    turns = np.empty(len(order), np.int64)
    turns[order] = np.arange(len(order)) - starts[numbers[order]]
    return np.where(names.is_null().to_numpy(), 0, turns)


def _first_of_its_content(candidates: pa.Table) -> NDArray[np.bool_]:
    is_first = np.zeros(candidates.num_rows, bool)
    is_first[np.unique(_numbers(candidates["content"]), return_index=True)[1]] = True
    return is_first


def _numbers(names: pa.ChunkedArray) -> NDArray[np.int64]:
    """A number for each distinct value, null among them."""
    encoded = pa.chunked_array([names.combine_chunks()]).combine_chunks().dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy().astype(np.int64)


def _borders(person_ids: pa.ChunkedArray) -> NDArray[np.int64]:
    """Where each person's rows begin, and the end; the rows of one stand together."""
    if not len(person_ids):
        return np.zeros(1, np.int64)
    changes = pc.not_equal(person_ids.slice(1), person_ids.slice(0, len(person_ids) - 1)).to_numpy()
    return np.concatenate([[0], np.flatnonzero(changes) + 1, [len(person_ids)]])


def _most_frequent(units: pa.Table, column: str) -> pa.ChunkedArray:
    """Of each person, in the order of the ids, the value of most units; of equals the first by name."""
    return _first_of_each(_counted(units, "person_id", column), "person_id", column)[column]


def _counted(rows: pa.Table, person: str, column: str) -> pa.Table:
    """How many rows (`units`) each person has of each value of a column."""
    return rows.group_by([person, column], use_threads=False).aggregate([([], "count_all")]).rename_columns([person, column, "units"])


def _first_of_each(counts: pa.Table, person: str, column: str) -> pa.Table:
    """The value of most `units` of each person, by person."""
    ordered = counts.sort_by([(person, "ascending"), ("units", "descending"), (column, "ascending")])
    return ordered.take(pa.array(_borders(ordered[person])[:-1])).select([person, column])


def _band(number: int, base: int) -> str:
    """The range between two powers of the base that a number from 1 on lies in, e.g. '16-63'."""
    low = 1
    while low * base <= number:
        low *= base
    return f"{low}-{low * base - 1}"


def sample_table(chosen: pa.Table, version: str) -> pa.Table:
    """Rows of `label_sample`, in the order of choice."""
    rows = chosen.num_rows
    return pa.table({
        "unit_hash": chosen["content"], "place": pa.array(np.arange(rows), pa.int64()), "unit_id": chosen["unit_id"], "person_id": chosen["person_id"],
        "stratum": chosen["stratum"].cast(pa.string()), "sample_version": pa.array([version] * rows, pa.string()),
    })  # fmt: skip
