"""What the next commit makes of a table's files: some leave, others come, and of either some are written anew on the way."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from etl.tasks.changes import Partition, partition_of
from etl.tasks.files import Rewritten, TableFile, table_file
from lake import arrow_tables
from lake.config import LakeConfig
from lake.table_files import WrittenFile, remove_files
from lake.tables import TableSpec


class TableChange:
    """Files of a table as they will be; nothing is part of it, and nothing leaves it, before `commit`.

    `kept` are files of the log (`arrow_tables.live_files`) that stay.
    """

    def __init__(self, lake: LakeConfig, spec: TableSpec, leaves: Callable[[Partition], bool]) -> None:
        """All files of partitions that `leaves` is true of go."""
        self._lake, self.spec = lake, spec
        live = arrow_tables.live_files(arrow_tables.open_table(lake, spec))
        self.kept: Sequence[Mapping[str, Any]] = [file for file in live if not leaves(partition_of(file, spec))]
        self._removed = {file["path"] for file in live} - {file["path"] for file in self.kept}
        self._added: list[WrittenFile] = []

    def add(self, files: Sequence[WrittenFile]) -> None:
        """Files come to the table."""
        self._added.extend(files)

    def replace(self, rewritten: Rewritten) -> None:
        """Files come in place of others. Those of the others that were in no commit are deleted."""
        self._removed.update(file["path"] for file in self.kept if file["path"] in rewritten.removed)
        self.kept = [file for file in self.kept if file["path"] not in rewritten.removed]
        remove_files(self._lake, self.spec, [file for file in self._added if file.path in rewritten.removed])
        self._added = [*(file for file in self._added if file.path not in rewritten.removed), *rewritten.files]

    def files(self, partitions: Collection[Partition] | None = None) -> list[TableFile]:
        """The files of some partitions (None: of all), as they will be."""
        added = (TableFile(file.path, tuple(file.partition_values[name] for name in self.spec.partition_by), file.size) for file in self._added)
        return [file for file in (*(table_file(file, self.spec) for file in self.kept), *added) if partitions is None or file.partition in partitions]

    def commit(self) -> None:
        """Make it so, in one commit."""
        arrow_tables.commit_files(self._lake, self.spec, self._added, removed=self._removed)
