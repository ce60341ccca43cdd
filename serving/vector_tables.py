"""Rows of `user_vectors` and `item_vectors` in the lake: what is written already, and writing more in bounded commits."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from conf.errors import ContractError
from conf.logs import NOTICE, Pace
from lake import arrow_tables
from lake.config import LakeConfig
from lake.schema import rows_table
from lake.tables import TableSpec
from serving.vectors import what_to_do

logger = logging.getLogger(__name__)

Row = dict[str, Any]


class VectorTable:
    """One table of vectors under one encoder while it is brought up to date.

    Rows are put one by one (`put`); what changed is encoded and merged `rows_per_commit` at a time, so that a kill loses less than that
    and the next run goes on from what is written. `finish` writes the rest and removes the keys that nobody put, under other encoders too.
    """

    def __init__(
        self, lake: LakeConfig, spec: TableSpec, encoder_version: str, encode: Callable[[Sequence[Row], Sequence[str]], np.ndarray],
        encoded_columns: Sequence[str], rows_per_commit: int,
    ) -> None:  # fmt: skip
        arrow_tables.create_table(lake, spec)
        self._lake, self._spec, self._encoder_version = lake, spec, encoder_version
        self._encode, self._encoded_columns, self._rows_per_commit = encode, encoded_columns, rows_per_commit
        self._key = spec.key[0]
        columns = [column for column in spec.columns if column not in ("vector", "encoder_version")]
        self._written = arrow_tables.read(lake, spec, columns, self._of_this_encoder())
        self._position = {key: position for position, key in enumerate(self._written[self._key].to_pylist())}
        self._put: set[str] = set()
        self._passed_over: set[str] = set()
        self._to_encode: list[tuple[Row, str]] = []
        self._to_redescribe: list[Row] = []
        self._clock, self._pace = time.monotonic(), Pace()
        self.counts: Counter[str] = Counter()

    def put(self, row: Row, text: str) -> None:
        """A row as it should stand, the vector aside, and the text that the vector is made from. Raises ContractError on a key put before."""
        key = row[self._key]
        if key in self._put:
            raise ContractError(f"{self._spec.name}: {self._key} {key!r} comes twice; its source must have one")
        self._put.add(key)
        position = self._position.get(key)
        written = None if position is None else self._written.slice(position, 1).to_pylist()[0]
        action = what_to_do(written, row, self._encoded_columns)
        if action == "encode":
            self._to_encode.append((row, text))
        elif action == "redescribe":
            self._to_redescribe.append(row)
        else:
            self.counts["unchanged"] += 1
        if len(self._to_encode) + len(self._to_redescribe) >= self._rows_per_commit:
            self._commit()

    def pass_over(self, key: str) -> None:
        """Somebody who is there, and of whom this encoder reads nothing: rows under other encoders stay."""
        self._passed_over.add(key)

    def finish(self) -> None:
        """Write what is left, and remove the rows whose keys were not put: who is gone lives on under no encoder."""
        self._commit()
        written = arrow_tables.read(self._lake, self._spec, self._spec.key)
        put, there = (pc.is_in(written[self._key], value_set=pa.array(sorted(keys), pa.string())) for keys in (self._put, self._put | self._passed_over))
        stays = pc.if_else(pc.equal(written["encoder_version"], self._encoder_version), put, there)
        vanished = written.filter(pc.invert(stays))
        if vanished.num_rows:
            arrow_tables.delete_keys(self._lake, self._spec, vanished)
            self.counts["removed"] += pc.sum(pc.equal(vanished["encoder_version"], self._encoder_version)).as_py()

    def remove_encoders(self, kept: Collection[str]) -> None:
        """Remove the rows of all encoders but this one and those to keep."""
        versions = set(arrow_tables.read(self._lake, self._spec, ("encoder_version",))["encoder_version"].unique().to_pylist())
        for version in sorted(versions - {self._encoder_version, *kept}):
            arrow_tables.delete_where(self._lake, self._spec, "encoder_version", version)
            logger.info("%s: the vectors of encoder %s are removed, which was embedded too long ago", self._spec.name, version)

    def _commit(self) -> None:
        rows = [*self._encoded(), *self._redescribed()]
        if not rows:
            return
        arrow_tables.merge(self._lake, self._spec, rows_table(self._spec, rows))
        self.counts["encoded"] += len(self._to_encode)
        self.counts["redescribed"] += len(self._to_redescribe)
        self._to_encode, self._to_redescribe = [], []
        if self._pace.is_due():
            rate = self.counts["encoded"] / (time.monotonic() - self._clock)
            words = "%s: %d of this run's rows seen, %d encoded, %.1f encoded/s"
            logger.log(NOTICE, words, self._spec.name, len(self._put), self.counts["encoded"], rate)

    def _encoded(self) -> list[Row]:
        if not self._to_encode:
            return []
        rows, texts = zip(*self._to_encode, strict=True)
        return [self._with_vector(row, vector) for row, vector in zip(rows, self._encode(rows, texts), strict=True)]

    def _redescribed(self) -> list[Row]:
        if not self._to_redescribe:
            return []
        keys = [row[self._key] for row in self._to_redescribe]
        where = self._of_this_encoder() & ds.field(self._key).isin(keys)
        found = arrow_tables.read(self._lake, self._spec, [self._key, "vector"], where).to_pylist()
        vectors = {row[self._key]: row["vector"] for row in found}
        return [self._with_vector(row, vectors[row[self._key]]) for row in self._to_redescribe]

    def _with_vector(self, row: Mapping[str, Any], vector: Any) -> Row:
        return {**row, "encoder_version": self._encoder_version, "vector": vector}

    def _of_this_encoder(self) -> ds.Expression:
        return ds.field("encoder_version") == self._encoder_version
