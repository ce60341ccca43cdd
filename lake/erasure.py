"""Taking out of the tables of a lake who and what is to be forgotten (edge): rows, then files, then what Delta's log says of them.

A file that holds such rows is written anew without them, under a name that tells which file it was (`table_files.before_erasures`), so that jobs which go on from the files that
they know go on. A table is one commit; whoever is killed runs again, and finds what is left.
"""

import logging
from collections.abc import Sequence, Set

from deltalake.exceptions import CommitFailedError

from conf.errors import ErasureError
from conf.logs import NOTICE, Pace
from lake import arrow_tables
from lake.acts import ACTS, INGESTED_FILES, REJECTS
from lake.config import LakeConfig
from lake.erasing import Erasing, needed_columns
from lake.examples import EXAMPLES, PERSON_LABELS
from lake.job_runs import ERASURE
from lake.judgements import JUDGEMENTS
from lake.labels import ITEMS, LABEL_SAMPLE, LABELS
from lake.presence import has_table
from lake.subjects import Subjects
from lake.table_files import WrittenFile, edited_file, erased_name
from lake.tables import TableSpec
from lake.units import IDENTITIES, SEQUENCES, SHORT_SEQUENCES, UNIT_SIGNATURES, UNITS
from lake.vectors import ITEM_VECTORS, USER_VECTORS

logger = logging.getLogger(__name__)

VECTORS_FIRST = (USER_VECTORS, ITEM_VECTORS)
THEN_THE_REST = (
    EXAMPLES, PERSON_LABELS, JUDGEMENTS, ITEMS, LABEL_SAMPLE, LABELS, SHORT_SEQUENCES, SEQUENCES, UNIT_SIGNATURES, UNITS, REJECTS, INGESTED_FILES, ACTS, IDENTITIES,
)  # fmt: skip
"""What tells of others comes after them: who is killed in between finds by labels which items go, by units which labels, by acts which units, by identities who."""
_GONE_ON_FROM = (ACTS, UNITS)
"""Tables whose files are known to jobs: one that loses all its rows is there all the same."""


def erase_rows(lake: LakeConfig, spec: TableSpec, subjects: Subjects) -> int:
    """Take out of a table all that names these subjects, in one commit: rows, or entries of rows. How many rows went as a whole."""
    if not has_table(lake, spec):
        return 0
    live = arrow_tables.live_files(arrow_tables.open_table(lake, spec))
    erasing, needs, pace = Erasing(spec, subjects), needed_columns(spec), Pace()
    added: list[WrittenFile] = []
    removed: dict[str, int] = {}
    for number, file in enumerate(live, start=1):
        partition = [str(file[f"partition.{column}"]) for column in spec.partition_by]
        written = edited_file(lake, spec, file["path"], partition, erasing.rows, needs, erased_name(file["path"]), spec in _GONE_ON_FROM)
        if written is not None:
            removed[file["path"]] = file["num_records"] or 0
            added += written
        if pace.is_due():
            logger.log(NOTICE, "%s: %d of %d files looked through, %d changed", spec.name, number, len(live), len(removed))
    if removed:
        _commit(lake, spec, added, removed.keys())
    return sum(removed.values()) - sum(file.rows for file in added)


def _commit(lake: LakeConfig, spec: TableSpec, added: Sequence[WrittenFile], removed: Set[str]) -> None:
    """Put files in the place of others. Raises ErasureError where these are no part of the table any more: another job has rewritten them, and its rows would be there twice."""
    others = f"{spec.name}: another job has written the table meanwhile, and nothing of it is erased; run it again when no job is at work"
    if not removed <= {file["path"] for file in arrow_tables.live_files(arrow_tables.open_table(lake, spec))}:
        raise ErasureError(others)
    try:
        arrow_tables.commit_files(lake, spec, added, removed=removed, marks={ERASURE: "true"})
    except CommitFailedError:
        raise ErasureError(others) from None
