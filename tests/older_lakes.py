"""Tables as an older Kindred left them: the same files and versions, without the columns and fields that came later."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from lake.config import LakeConfig
from lake.tables import TableSpec, table_uri


def make_older(lake: LakeConfig, spec: TableSpec) -> None:
    """Rewrite a table's files and its log in place, without the spec's `later_columns`; ids, versions and names of files stay."""
    folder = Path(table_uri(lake.path, spec))
    assert not list(folder.glob("_delta_log/*.parquet")), "a checkpoint would have to be rewritten, too"
    for path in folder.rglob("*.parquet"):
        with pq.ParquetFile(path) as file:
            rows = file.read()
        rows = rows.select([name for name in rows.column_names if name not in spec.later_columns])
        pq.write_table(rows.cast(pa.schema([_older(field, spec.later_columns) for field in rows.schema])), path)
    for log in folder.glob("_delta_log/*.json"):
        actions = [_older_action(json.loads(line), folder, spec.later_columns) for line in log.read_text().splitlines()]
        log.write_text("".join(json.dumps(action) + "\n" for action in actions))


def _older(field: pa.Field, later: Collection[str], below: str = "") -> pa.Field:
    is_list = pa.types.is_list(field.type)
    inner = field.type.value_type if is_list else field.type
    if not pa.types.is_struct(inner):
        return field
    path = f"{below}{field.name}."
    struct = pa.struct([_older(part, later, path) for part in inner if path + part.name not in later])
    return field.with_type(pa.list_(struct) if is_list else struct)


def _older_action(action: dict[str, Any], folder: Path, later: Collection[str]) -> dict[str, Any]:
    if "metaData" in action:
        action["metaData"]["schemaString"] = json.dumps(_older_type(json.loads(action["metaData"]["schemaString"]), later))
    for file in (action[name] for name in ("add", "remove") if name in action):
        file["size"] = (folder / unquote(file["path"])).stat().st_size
    return action


def _older_type(delta_type: Any, later: Collection[str], below: str = "") -> Any:
    """A type as Delta's log writes it."""
    if not isinstance(delta_type, dict):
        return delta_type
    if delta_type["type"] == "array":
        return delta_type | {"elementType": _older_type(delta_type["elementType"], later, below)}
    if delta_type["type"] != "struct":
        return delta_type
    kept = [field for field in delta_type["fields"] if below + field["name"] not in later]
    return delta_type | {"fields": [field | {"type": _older_type(field["type"], later, f"{below}{field['name']}.")} for field in kept]}
