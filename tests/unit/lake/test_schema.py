"""Schemas derive from row models, for every table, in both readers' types."""

from collections.abc import Iterable

import pyarrow as pa
import pytest

from conf.errors import ContractError
from lake.catalog import TABLES
from lake.labels import LABELS
from lake.schema import arrow_schema, check_columns, checked_table, described_schema, inner_fields, missing_fields, rows_table
from lake.tables import TableSpec
from lake.units import UNITS, Identity
from lake.vectors import USER_VECTORS

IDENTITIES = TABLES["identities"]


@pytest.mark.parametrize("spec", TABLES.values(), ids=list(TABLES))
def test_columns_stand_in_the_row_models_order(spec: TableSpec) -> None:
    assert arrow_schema(spec).names == list(spec.row.model_fields)
    assert set(spec.key) | set(spec.partition_by) <= set(spec.columns)


def test_optional_fields_are_the_nullable_columns() -> None:
    schema = arrow_schema(LABELS)
    assert schema.field("labelled_at").nullable
    assert not schema.field("specific").nullable


def test_nested_rows_maps_and_times_get_their_arrow_types() -> None:
    schema = arrow_schema(UNITS)
    assert schema.field("created_at").type == pa.timestamp("us", tz="UTC")
    assert schema.field("attributes").type == pa.map_(pa.string(), pa.string())
    assert [field.name for field in schema.field("context").type.value_type] == ["role", "unit_id", "speaker", "speaker_id", "title", "text", "created_at"]


def test_vectors_are_of_single_precision() -> None:
    assert arrow_schema(USER_VECTORS).field("vector").type == pa.list_(pa.float32())


def test_rows_and_mappings_make_the_same_table() -> None:
    row = Identity(user_id="a", person_id="b")
    assert rows_table(IDENTITIES, [row]) == rows_table(IDENTITIES, [row.model_dump()])


def test_table_with_columns_in_another_order_is_put_in_order() -> None:
    table = pa.table({"person_id": ["b"], "user_id": ["a"]})
    assert checked_table(IDENTITIES, table).column_names == ["user_id", "person_id"]


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"user_id": ["a"]}),
        pa.table({"user_id": ["a"], "person_id": ["b"], "name": ["c"]}),
        pa.table({"user_id": ["a"], "person_id": pa.array([None], pa.string())}),
        pa.table({"user_id": ["a"], "person_id": [[1]]}),
    ],
    ids=["missing", "unknown", "null", "type"],
)
def test_rows_that_break_the_contract_are_refused_before_writing(table: pa.Table) -> None:
    with pytest.raises(ContractError, match="identities"):
        checked_table(IDENTITIES, table)


def test_table_on_disk_of_another_type_is_named_with_what_to_do() -> None:
    with pytest.raises(ContractError, match=r"units: column 'created_at' is string, expected timestamp; rebuild"):
        check_columns(UNITS, {"created_at": "string"}, {"created_at": "timestamp"})


def test_an_older_table_may_lack_a_field_that_came_later_and_no_other() -> None:
    expected = {"context": "list", "context.title": "string", "context.text": "string"}
    check_columns(UNITS, {"context": "list", "context.text": "string"}, expected)
    with pytest.raises(ContractError, match=r"units: column 'context.text' is missing, expected string; rebuild"):
        check_columns(UNITS, {"context": "list", "context.title": "string"}, expected)
    with pytest.raises(ContractError, match=r"units: column 'context.title' is int, expected string; rebuild"):
        check_columns(UNITS, expected | {"context.title": "int"}, expected)


@pytest.mark.parametrize("spec", TABLES.values(), ids=list(TABLES))
def test_what_came_later_is_a_nullable_field_of_the_row_model(spec: TableSpec) -> None:
    fields = missing_fields(spec, ())
    assert len(fields) == len(spec.later_columns)
    for path, field in zip(spec.later_columns, fields, strict=True):
        column, *inside = path.split(".")
        assert (field.name, field.nullable) == (column, arrow_schema(spec).field(column).nullable)
        for name in inside:
            (field,) = inner_fields(field.type)
            assert field.name == name
        assert field.nullable
        assert field.metadata[b"comment"]


@pytest.mark.parametrize("spec", TABLES.values(), ids=list(TABLES))
def test_every_column_says_what_it_means(spec: TableSpec) -> None:
    def unsaid(fields: Iterable[pa.Field]) -> list[str]:
        inner = [(field, field.type.value_type if pa.types.is_list(field.type) else field.type) for field in fields]
        below = [name for _, arrow_type in inner if pa.types.is_struct(arrow_type) for name in unsaid(arrow_type)]
        return [field.name for field, _ in inner if not (field.metadata or {}).get(b"comment")] + below

    assert unsaid(described_schema(spec)) == []
    assert described_schema(spec).equals(arrow_schema(spec))


def test_spark_and_arrow_schemas_agree_column_by_column() -> None:
    from pyspark.sql.pandas.types import to_arrow_schema

    from lake.schema import spark_schema

    for spec in TABLES.values():
        assert [field.name for field in to_arrow_schema(spark_schema(spec), timezone="UTC")] == arrow_schema(spec).names
