"""Who people are, out of a file: what a vector must not tell, or at least not by much (edge).

A file has one attribute of one person a line (JSON lines) or a row (Parquet): `attribute` and `value`, and of whom, `person_id` (or the `user_id` of one of the accounts that `identities`
joins), or `platform` and `name`, which become pseudonyms by the key that the lake was made with.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from conf.errors import ConfigError, ContractError
from lake import arrow_tables
from lake.config import LakeConfig
from lake.encoder import file_hash
from lake.presence import check_lake_key, check_platform, has_table
from lake.pseudonyms import load_key, pseudonym
from lake.units import IDENTITIES

Attributes: TypeAlias = Mapping[str, Mapping[str, str]]
"""Attribute -> `person_id` -> value."""
SETTING = "trainer.evaluation.attributes"
EXPECTED = "expected attribute, value, and person_id or platform and name"
NAME = re.compile(r"[\w .:-]{1,24}", re.ASCII)
"""What an attribute may be called: names of MLflow's numbers are made of it, and columns of a table."""


def attributes_hash(file: str | None) -> str | None:
    """Hash of the file, by which an evaluation knows that it read another. Raises ConfigError where it is absent."""
    if file is None:
        return None
    if not Path(file).is_file():
        raise ConfigError(f"{SETTING}: to be read from {file}, and there is no such file")
    return file_hash(Path(file)).hex()


def read_attributes(lake: LakeConfig, file: str) -> Attributes:
    """What the file says; rows without a value are left out. Raises ConfigError for a file or a row of another form, and for a person of two values."""
    accounts = _Accounts(lake)
    said = [(place, accounts.user_id(row, place), *_said(row, place)) for place, row in _rows(Path(file))]
    person_of = _persons(lake, {user_id for _, user_id, _, _ in said})
    found: dict[str, dict[str, str]] = {}
    for place, user_id, name, value in said:
        if value and found.setdefault(name, {}).setdefault(person_of.get(user_id, user_id), value) != value:
            raise ConfigError(f"{place}: {name!r} of somebody who has another value of it already; leave one of the two out")
    if not found:
        raise ConfigError(f"{SETTING}: nothing stands in {file}; {EXPECTED}")
    return found


def _said(row: Mapping[str, Any], place: str) -> tuple[str, str]:
    """Attribute and value, '' where there is none."""
    name, value = row.get("attribute"), row.get("value")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(f"{place}: attribute {name!r}; {EXPECTED}, the attribute's name of at most 24 letters, digits, blanks and _.:-")
    return name, "" if value is None or value != value else str(value).strip()  # NaN is how some libraries write that there is none


def _persons(lake: LakeConfig, user_ids: set[str]) -> dict[str, str]:
    """`person_id` of those of the accounts that are joined with others."""
    if not has_table(lake, IDENTITIES):
        return {}
    joined = arrow_tables.read(lake, IDENTITIES, ("user_id", "person_id"), ds.field("user_id").isin(pa.array(sorted(user_ids), pa.string())))
    return dict(zip(joined["user_id"].to_pylist(), joined["person_id"].to_pylist(), strict=True))


def check_known(attributes: Attributes, person_ids: set[str], file: str) -> None:
    """Raise ContractError where the file is of nobody who is in `examples`."""
    described = set().union(*attributes.values())
    if not described & person_ids:
        raise ContractError(
            f"{SETTING}: none of the {len(described)} people of {file} has an example; give person_ids of this lake, or platform and name beside the key that it was made with"
        )


def _rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each row with where it stands."""
    if file.suffix == ".parquet":
        try:
            rows = pq.read_table(file).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise ConfigError(f"{SETTING}: {file} is no Parquet file ({error})") from None
        yield from ((f"{SETTING}: {file}, row {number}", row) for number, row in enumerate(rows, 1))
        return
    with file.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            place = f"{SETTING}: {file}, line {number}"
            if line.strip():
                yield place, _parsed(line, place)


def _parsed(line: str, place: str) -> Mapping[str, Any]:
    try:
        line.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{place}: no UTF-8; save the file as such") from None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        raise ConfigError(f"{place}: no JSON object; {EXPECTED}")
    return row


class _Accounts:
    """Whose row it is. The key is loaded, and a platform checked, when the first name asks for it."""

    def __init__(self, lake: LakeConfig) -> None:
        self._lake = lake
        self._key: bytes | None = None
        self._platforms: set[str] = set()

    def user_id(self, row: Mapping[str, Any], place: str) -> str:
        """`person_id` as it is given, else the pseudonym. Raises ConfigError where a row does not say whose it is."""
        given, platform, name = (row.get(column) for column in ("person_id", "platform", "name"))
        if isinstance(given, str) and given:
            return given
        if not isinstance(platform, str) or not isinstance(name, str):
            raise ConfigError(f"{place}: nobody is named; {EXPECTED}")
        return pseudonym(self._key_of(platform), platform, name)

    def _key_of(self, platform: str) -> bytes:
        if platform not in self._platforms:
            check_platform(self._lake, platform)
            self._platforms.add(platform)
        if self._key is None:
            self._key = load_key(self._lake.pseudonym_key_file)
            check_lake_key(self._lake, self._key)
        return self._key
