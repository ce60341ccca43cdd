"""What a run of serving is made from: the registered encoder, and tables as they are now."""

import json

from pydantic import BaseModel, ConfigDict

from lake import arrow_tables
from lake.config import LakeConfig
from lake.job_runs import last_done_run
from lake.tables import TableSpec


class Inputs(BaseModel):
    """Encoder and tables of a run (name -> Delta id and version); stands in `job_runs` beside the settings."""

    model_config = ConfigDict(frozen=True)

    encoder_version: str
    tables: dict[str, tuple[str, int]]

    def version(self, spec: TableSpec) -> int:
        """Delta version of a table."""
        return self.tables[spec.name][1]


def current_inputs(lake: LakeConfig, encoder_version: str, *specs: TableSpec) -> Inputs:
    """Delta id and version of each table now: a table made anew has another id. Raises ContractError where one is absent."""
    tables = {spec.name: arrow_tables.open_table(lake, spec) for spec in specs}
    return Inputs(encoder_version=encoder_version, tables={name: (str(table.metadata().id), table.version()) for name, table in tables.items()})


def is_done(lake: LakeConfig, job: str, inputs: Inputs, *outputs: TableSpec) -> bool:
    """Whether the last good run of the job had these inputs, and nobody wrote to its outputs since.

    Settings do not count: those of serving change how fast vectors are made, not the vectors.
    """
    last = last_done_run(lake, job)
    if last is None or json.loads(last.config).get("inputs") != inputs.model_dump(mode="json"):
        return False
    return all(arrow_tables.table_version(lake, spec) == last.versions_written.get(spec.name) for spec in outputs)
