"""Row model -> Arrow and Spark schema. The row model is the one definition; nobody writes a schema by hand."""

import types
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import pyarrow as pa
from pydantic.fields import FieldInfo

from conf.errors import ContractError
from lake.tables import Row, TableSpec

if TYPE_CHECKING:
    from pyspark.sql.types import DataType, StructType

_SCALARS: dict[type, pa.DataType] = {
    str: pa.string(),
    bytes: pa.binary(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}


def arrow_schema(spec: TableSpec) -> pa.Schema:
    """Arrow schema of a table: columns in the row model's order, nullable where the model says `| None`."""
    return pa.schema([_arrow_field(name, spec.row) for name in spec.columns])


def described_schema(spec: TableSpec) -> pa.Schema:
    """The Arrow schema with what each column means, as Delta keeps comments of columns, also of those inside structs."""
    return pa.schema([_described(field, spec.row.model_fields[field.name]) for field in arrow_schema(spec)])


def spark_schema(spec: TableSpec) -> "StructType":
    """Spark schema of a table, column by column the Arrow schema's."""
    from pyspark.sql.types import StructField, StructType

    return StructType([StructField(field.name, _spark_type(field.type), field.nullable) for field in arrow_schema(spec)])


def checked_table(spec: TableSpec, table: pa.Table) -> pa.Table:
    """The table in the spec's column order and types. Raises ContractError on columns missing, unknown, null or of another type."""
    schema = arrow_schema(spec)
    missing, unknown = set(schema.names) - set(table.column_names), set(table.column_names) - set(schema.names)
    if missing or unknown:
        raise ContractError(f"{spec.name}: columns missing {sorted(missing)}, unknown {sorted(unknown)}; expected {schema.names}")
    try:
        result = table.select(schema.names).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise ContractError(f"{spec.name}: rows do not fit {spec.row.__name__}: {error}") from None
    for field in schema:
        if not field.nullable and result[field.name].null_count:
            raise ContractError(f"{spec.name}: column {field.name!r} has {result[field.name].null_count} nulls, expected none")
    return result


def rows_table(spec: TableSpec, rows: list[Any]) -> pa.Table:
    """Row models, or mappings of the same fields, as an Arrow table of the spec's schema."""
    return pa.Table.from_pylist([row.model_dump() if isinstance(row, Row) else row for row in rows], schema=arrow_schema(spec))


def check_columns(spec: TableSpec, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Compare column, or field inside ('units.context.title'), -> type. Raises ContractError that says what to rebuild."""
    for name, type_name in expected.items():
        if name not in found:
            if not any(name == later or name.startswith(f"{later}.") for later in spec.later_columns):
                raise ContractError(f"{spec.name}: column {name!r} is missing, expected {type_name}; rebuild with {spec.writers}")
        elif found[name] != type_name:
            raise ContractError(f"{spec.name}: column {name!r} is {found[name]}, expected {type_name}; rebuild with {spec.writers}")


def modelled_schema(spec: TableSpec, found: pa.Schema) -> pa.Schema:
    """The schema of a table that somebody else, or an older Kindred, made, with the model's types in it, and the later columns that it lacks."""
    modelled = arrow_schema(spec)
    fields = [modelled.field(field.name) if field.name in modelled.names and field.type != modelled.field(field.name).type else field for field in found]
    return pa.schema([*fields, *(modelled.field(name) for name in spec.later_columns if name in modelled.names and name not in found.names)])


def missing_fields(spec: TableSpec, found: Collection[str]) -> list[pa.Field]:
    """The later columns that are not among those found (names as in `later_columns`), as Delta adds them: of a field inside a column, nothing beside it."""
    described = described_schema(spec)
    paths = [name.split(".") for name in spec.later_columns if name not in found]
    return [_narrowed(described.field(column), inside) for column, *inside in paths]


def inner_fields(arrow_type: pa.DataType) -> list[pa.Field]:
    """The fields of a struct, or of the structs in a list; none of any other type."""
    inner = arrow_type.value_type if _is_list(arrow_type) else arrow_type
    return list(inner) if pa.types.is_struct(inner) else []


def _narrowed(field: pa.Field, inside: Sequence[str]) -> pa.Field:
    """The field with none but one of those inside it. What a table says of the fields on the way stays: they say nothing here."""
    if not inside:
        return field
    (wanted,) = [inner for inner in inner_fields(field.type) if inner.name == inside[0]]
    struct = pa.struct([_narrowed(wanted, inside[1:])])
    return pa.field(field.name, pa.list_(struct) if _is_list(field.type) else struct, nullable=field.nullable)


def _is_list(arrow_type: pa.DataType) -> bool:
    return pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type)


def _arrow_field(name: str, row: type[Row]) -> pa.Field:
    info = row.model_fields[name]
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    arrow_type, nullable = _arrow_type(info.annotation)
    if extra.get("arrow_value_type") == "float":
        arrow_type = pa.list_(pa.float32())
    return pa.field(name, arrow_type, nullable=nullable)


def _described(field: pa.Field, info: FieldInfo) -> pa.Field:
    """The field with the description of its row model, and so below it."""
    inner = _inner_row(info.annotation)
    described = field if inner is None else field.with_type(_described_type(field.type, inner))
    return described.with_metadata({"comment": info.description}) if info.description else described


def _described_type(arrow_type: pa.DataType, row: type[Row]) -> pa.DataType:
    if pa.types.is_list(arrow_type):
        return pa.list_(arrow_type.value_field.with_type(_described_type(arrow_type.value_type, row)))
    return pa.struct([_described(field, row.model_fields[field.name]) for field in arrow_type])


def _inner_row(annotation: Any) -> type[Row] | None:
    """The row model that a field holds, by itself or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, Row):
        return annotation
    return next((row for argument in get_args(annotation) if (row := _inner_row(argument)) is not None), None)


def _arrow_type(annotation: Any) -> tuple[pa.DataType, bool]:
    """Arrow type and nullability. What lies below a list or a struct stays nullable: Delta enforces it at the top alone."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        return _arrow_type(inner)[0], True
    if origin is Literal:
        return pa.string(), False
    if origin is list:
        return pa.list_(_arrow_type(arguments[0])[0]), False
    if origin is dict:
        return pa.map_(pa.string(), _arrow_type(arguments[1])[0]), False
    if isinstance(annotation, type) and issubclass(annotation, Row):
        return pa.struct([pa.field(name, _arrow_type(info.annotation)[0]) for name, info in annotation.model_fields.items()]), False
    return _SCALARS[annotation], False


def _spark_type(arrow_type: pa.DataType) -> "DataType":
    from pyspark.sql import types as spark

    if pa.types.is_list(arrow_type):
        return spark.ArrayType(_spark_type(arrow_type.value_type))
    if pa.types.is_map(arrow_type):
        return spark.MapType(spark.StringType(), _spark_type(arrow_type.item_type))
    if pa.types.is_struct(arrow_type):
        return spark.StructType([spark.StructField(field.name, _spark_type(field.type)) for field in arrow_type])
    scalars = {
        pa.string(): spark.StringType(),
        pa.binary(): spark.BinaryType(),
        pa.int64(): spark.LongType(),
        pa.float64(): spark.DoubleType(),
        pa.float32(): spark.FloatType(),
        pa.bool_(): spark.BooleanType(),
        pa.timestamp("us", tz="UTC"): spark.TimestampType(),
    }
    return scalars[arrow_type]
