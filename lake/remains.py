"""The proof of an erasure: every byte below a lake is looked through for ids, and for words if they are given (edge)."""

import html
import json
import logging
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileInfo, FileSystem, LocalFileSystem, SubTreeFileSystem

from conf.logs import NOTICE, Pace
from lake import arrow_tables
from lake.catalog import TABLES
from lake.config import LakeConfig
from lake.erasing import Erasing, needed_columns
from lake.job_runs import ERASURE
from lake.old_files import LOG, files_below, old_files, retention_of
from lake.presence import has_table
from lake.subjects import Subjects
from lake.table_files import open_parquet, table_folder
from lake.tables import TableSpec

logger = logging.getLogger(__name__)

BLOCK_BYTES = 2**24
CLOCKS_DIFFER = 60_000
"""Milliseconds by which the clocks of those who write files and commits may differ."""
LONGEST_TRACE = 4096
"""Bytes by which two blocks of a file overlap: a trace on the border is seen."""
SHORTEST_ID = 8
"""Bytes of an id of no usual shape that is looked for outside the columns that name somebody."""
PSEUDONYM_DIGITS = 64
_PSEUDONYM, _NATIVE_ID = f"[0-9a-f]{{{PSEUDONYM_DIGITS},}}", "[A-Za-z0-9_.~+/=-]+"


@dataclass(frozen=True)
class Remain:
    """Something that is left: where, and what."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"


@dataclass(frozen=True)
class Traces:
    """What is looked for: ids of people and acts, as whole words; and texts, as they stand or as JSON and HTML have them."""

    ids: frozenset[str]
    texts: tuple[str, ...] = ()

    def in_bytes(self, content: bytes) -> bool:
        """Whether any of it stands there. Takes time in proportion to the bytes, whatever they are and however many ids of the usual shapes are looked for."""
        if any(text in content for text in self._written) or any(self._is_id(found) for found in self._of_ids.findall(content)):
            return True
        return self._of_other_ids is not None and self._of_other_ids.search(content) is not None

    def _is_id(self, found: bytes) -> bool:
        """Whether what is shaped as an id is one, or has one among further digits of hexadecimal numbers."""
        is_among_digits = len(found) > PSEUDONYM_DIGITS and b":" not in found
        return found in self._words or (
            is_among_digits and any(found[start : start + PSEUDONYM_DIGITS] in self._words for start in range(len(found) - PSEUDONYM_DIGITS + 1))
        )

    def in_text(self, text: str) -> bool:
        """Whether any of it stands there."""
        return self.in_bytes(text.encode("utf-8", "surrogatepass"))

    def in_column(self, column: pa.Array) -> bool:
        """Whether any of it stands in the strings of a column, or inside it, however deep."""
        return any(self.in_text(text) for strings in strings_of(column) for text in strings.unique().drop_null().to_pylist())

    @cached_property
    def _of_ids(self) -> re.Pattern[bytes]:
        """Whatever is shaped as the ids are: pseudonyms, and ids of acts of their platforms."""
        platforms = sorted({found.partition(":")[0] for found in self.ids if ":" in found})
        return re.compile("|".join([_PSEUDONYM, *(f"{re.escape(platform)}:{_NATIVE_ID}" for platform in platforms)]).encode("utf-8", "surrogatepass"))

    @cached_property
    def _words(self) -> frozenset[bytes]:
        return frozenset(found for found in self._encoded_ids if self._of_ids.fullmatch(found))

    @cached_property
    def _of_other_ids(self) -> re.Pattern[bytes] | None:
        """Ids of other shapes as whole words, such as those of people whom `identities` joins; one of a few characters would be found anywhere."""
        others = sorted(found for found in self._encoded_ids - self._words if len(found) >= SHORTEST_ID)
        return re.compile(b"(?<![A-Za-z0-9_-])(?:" + b"|".join(map(re.escape, others)) + b")(?![A-Za-z0-9_-])") if others else None

    @cached_property
    def _written(self) -> frozenset[bytes]:
        """The texts as they stand in files of several kinds."""
        forms = [form for text in self.texts for form in (text, html.escape(text), json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])]
        return frozenset(form.encode("utf-8", "surrogatepass") for form in forms if form)

    @cached_property
    def _encoded_ids(self) -> frozenset[bytes]:
        return frozenset(found.encode("utf-8", "surrogatepass") for found in self.ids)


def remains(lake: LakeConfig, subjects: Subjects, texts: Collection[str] = ()) -> list[Remain]:
    """All places below the lake where these subjects, or these texts, are left. Of a lake in an object store its tables are looked through."""
    traces = Traces(subjects.people | subjects.acts, tuple(texts))
    found, pace = [], Pace()
    for number, remain in enumerate(_all_remains(lake, subjects, traces), start=1):
        if remain is not None:
            found.append(remain)
        if pace.is_due():
            logger.log(NOTICE, "proof: %d files looked through, something is left in %d", number, len(found))
    return found


def strings_of(column: pa.Array) -> Iterator[pa.Array]:
    """All strings of a column and of what is inside it."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        yield column.cast(pa.large_string())
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        yield pa.array([None if value is None else value.decode("utf-8", "replace") for value in column.to_pylist()], pa.large_string())
    elif pa.types.is_map(kind):
        yield from strings_of(column.keys)
        yield from strings_of(column.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from strings_of(column.flatten())
    elif pa.types.is_struct(kind):
        for number in range(kind.num_fields):
            yield from strings_of(column.field(number))


def _all_remains(lake: LakeConfig, subjects: Subjects, traces: Traces) -> Iterator[Remain | None]:
    """What each file below the lake still has of it; None of one that has nothing."""
    known = [spec for spec in TABLES.values() if has_table(lake, spec)]
    for spec in known:
        yield from _remains_of_table(lake, spec, subjects, traces.texts)
    if "://" not in lake.path:
        system = SubTreeFileSystem(str(Path(lake.path).expanduser().resolve()), LocalFileSystem())
        folders = {spec.name for spec in known}
        for file in files_below(system):
            if file.path.split("/")[0] not in folders:
                yield _remain_of_file(system, file.path, file.path, traces)


def _remains_of_table(lake: LakeConfig, spec: TableSpec, subjects: Subjects, texts: Sequence[str]) -> Iterator[Remain | None]:
    """What a table's files and its log still have. Ids of acts count where a column is to name acts that are there, and not where others' acts say what they answer."""
    words, people = Traces(frozenset(), tuple(texts)), Traces(subjects.people, tuple(texts))
    table, system = arrow_tables.open_table(lake, spec), table_folder(lake, spec)
    for path in (file["path"] for file in arrow_tables.live_files(table)):
        place = f"{spec.name}/{path}"
        if _names_subject(lake, spec, path, subjects):
            yield Remain(place, "rows that name them; run the same command again")
        else:
            yield _in_strings(system, path, place, words if spec.subjects else people)
    erased_at = max((commit["timestamp"] for commit in table.history() if ERASURE in commit), default=None)
    for file in old_files(lake, spec):
        if _was_there(file, erased_at) or _is_in_old_file(lake, spec, system, file.path, subjects, people):
            stays = f"no part of the table any more, and stays for its {retention_of(lake, spec)} (Delta's VACUUM; --force-vacuum deletes it now)"
            yield Remain(f"{spec.name}/{file.path}", stays)
    for file in files_below(system, LOG):
        yield _remain_of_file(system, file.path, f"{spec.name}/{file.path}", people)


def _was_there(file: FileInfo, erased_at: int | None) -> bool:
    """Whether a file stood there, or nobody can tell, when rows were erased last (UTC milliseconds; None: never): it may have been theirs, also where it names nobody."""
    return erased_at is not None and (file.mtime_ns is None or file.mtime_ns < (erased_at + CLOCKS_DIFFER) * 10**6)


def _is_in_old_file(lake: LakeConfig, spec: TableSpec, system: FileSystem, path: str, subjects: Subjects, people: Traces) -> bool:
    """Whether a file that is no part of a table has any of it, or cannot be read."""
    if not path.endswith(".parquet"):
        return path.endswith(".draft") or _remain_of_file(system, path, path, people) is not None
    try:
        return _names_subject(lake, spec, path, subjects) or _in_strings(system, path, path, people) is not None
    except pa.ArrowException:
        return True


def _names_subject(lake: LakeConfig, spec: TableSpec, path: str, subjects: Subjects) -> bool:
    if not spec.subjects:
        return False
    parquet, erasing = open_parquet(lake, spec, path), Erasing(spec, subjects)
    return not all(erasing.rows(batch).equals(batch) for batch in parquet.iter_batches(columns=parquet.leaves(needed_columns(spec))))


def _remain_of_file(system: FileSystem, path: str, place: str, traces: Traces) -> Remain | None:
    """What any file has of it: of Parquet its strings are read, of all others the bytes as they are."""
    if path.endswith(".parquet"):
        try:
            return _in_strings(system, path, place, traces)
        except pa.ArrowException:
            pass  # half written: its bytes
    before = b""
    with system.open_input_stream(path, compression=None) as stream:
        while block := stream.read(BLOCK_BYTES):
            if traces.in_bytes(before + block):
                return Remain(place, "an id or a text of theirs")
            before = block[-LONGEST_TRACE:]
    return None


def _in_strings(system: FileSystem, path: str, place: str, traces: Traces) -> Remain | None:
    if not (traces.ids or traces.texts):
        return None
    with pq.ParquetFile(path, filesystem=system) as parquet:
        for batch in parquet.iter_batches():
            if any(traces.in_column(column) for column in batch.columns):
                return Remain(place, "an id or a text of theirs")
    return None
