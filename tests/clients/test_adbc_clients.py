"""ADBC's Flight SQL driver: what Python's database code, Polars, pandas and R talk to a server with."""

from __future__ import annotations

import datetime
import decimal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi
import adbc_driver_manager
import pyarrow as pa
import pyarrow.compute
import pytest
from adbc_driver_manager.dbapi import Connection, Cursor
from conftest import Paratope
from deltalake import write_deltalake
from rows import assert_same_rows
from served import Served, eventually, serve, session_options

MOMENT = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456)
ENDLESS = "SELECT a.value + b.value AS n FROM generate_series(1, 1000000) a CROSS JOIN generate_series(1, 1000000) b"
"""10^12 rows: whoever reads it to the end waits for ever."""
SILENT = f"SELECT count(*) FROM ({ENDLESS}) WHERE n % 2 = 0"
"""As much work, and no row before its end."""


@pytest.fixture
def connection(served: Served) -> Iterator[Connection]:
    """A connection to the server."""
    with served.connect() as made:
        yield made


@pytest.fixture
def cursor(connection: Connection) -> Iterator[Cursor]:
    """A cursor of that connection."""
    with connection.cursor() as made:
        yield made


def test_a_query_gives_the_rows_that_the_command_line_gives(served: Served) -> None:
    for sql in ("SELECT * FROM chains", "SELECT chain, species, count(*) AS n FROM chains GROUP BY chain, species"):
        assert_same_rows(served.query(sql), served.in_process(sql))


def test_rows_come_as_python_values_one_by_one_and_in_parts(cursor: Cursor) -> None:
    cursor.execute("SELECT value, 'v' || value AS name FROM generate_series(1, 5) ORDER BY value")
    assert [column[0] for column in cursor.description] == ["value", "name"]
    assert cursor.fetchone() == (1, "v1")
    assert cursor.fetchmany(2) == [(2, "v2"), (3, "v3")]
    assert cursor.fetchall() == [(4, "v4"), (5, "v5")]
    assert cursor.fetchone() is None


# What is sent, and as what it comes back: a Delta table has no unsigned, large or view types.
COLUMNS: dict[str, tuple[Any, pa.DataType, pa.DataType]] = {
    "yes": (True, pa.bool_(), pa.bool_()),
    "i8": (-8, pa.int8(), pa.int8()),
    "i16": (-16, pa.int16(), pa.int16()),
    "i32": (-32, pa.int32(), pa.int32()),
    "i64": (-(2**63), pa.int64(), pa.int64()),
    "u8": (255, pa.uint8(), pa.int16()),
    "u16": (65535, pa.uint16(), pa.int32()),
    "u32": (2**32 - 1, pa.uint32(), pa.int64()),
    "u64": (2**63 - 1, pa.uint64(), pa.int64()),
    "f32": (1.5, pa.float32(), pa.float32()),
    "f64": (-2.5e300, pa.float64(), pa.float64()),
    "price": (decimal.Decimal("-12.3400"), pa.decimal128(20, 4), pa.decimal128(20, 4)),
    "text": ("Äpfel, 'zwei'\n", pa.string(), pa.string()),
    "large_text": ("large", pa.large_string(), pa.string()),
    "text_view": ("a text of more than twelve bytes", pa.string_view(), pa.string()),
    "word": ("word", pa.dictionary(pa.int8(), pa.string()), pa.string()),
    "bytes": (b"\x00\xff", pa.binary(), pa.binary()),
    "large_bytes": (b"large", pa.large_binary(), pa.binary()),
    "bytes_view": (b"bytes of more than twelve", pa.binary_view(), pa.binary()),
    "four_bytes": (b"four", pa.binary(4), pa.binary()),
    "day": (datetime.date(2024, 2, 29), pa.date32(), pa.date32()),
    "at": (MOMENT.replace(tzinfo=datetime.timezone.utc), pa.timestamp("us", "UTC"), pa.timestamp("us", "UTC")),
    "local_time": (MOMENT, pa.timestamp("us"), pa.timestamp("us")),
    "seconds": (MOMENT.replace(microsecond=0), pa.timestamp("s"), pa.timestamp("us")),
    "numbers": ([1, None, 3], pa.list_(pa.int32()), pa.list_(pa.int32())),
    "large_list": (["a"], pa.large_list(pa.string()), pa.list_(pa.string())),
    "list_of_views": ([None, "b"], pa.list_(pa.string_view()), pa.list_(pa.string())),
    "pair": ({"a": 1, "b": None}, *[pa.struct([("a", pa.int32()), ("b", pa.string())])] * 2),
    "attributes": ([("k", "v"), ("l", None)], *[pa.map_(pa.string(), pa.string())] * 2),
    "lists_in_a_map": ([("k", [1, 2])], *[pa.map_(pa.string(), pa.list_(pa.int64()))] * 2),
}


def _same_type(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether types are equal, whatever the items of a list are called."""
    if pa.types.is_list(one) and pa.types.is_list(other):
        return _same_type(one.value_type, other.value_type)
    if pa.types.is_map(one) and pa.types.is_map(other):
        return _same_type(one.key_type, other.key_type) and _same_type(one.item_type, other.item_type)
    return bool(one == other)


def test_each_type_of_column_goes_in_and_comes_out_with_its_nulls(cursor: Cursor) -> None:
    arrays = {name: pa.array([value, None], sent) for name, (value, sent, _) in COLUMNS.items()}
    rows = pa.table({"k": [1, 2], **arrays})
    assert cursor.adbc_ingest("every_type", rows, mode="create") == 2
    cursor.execute("SELECT * FROM every_type ORDER BY k")
    found = cursor.fetch_arrow_table()
    for name, (value, _, expected) in COLUMNS.items():
        assert found[name].to_pylist() == [value, None], name
        assert _same_type(found.schema.field(name).type, expected), found.schema.field(name)
    found.validate(full=True)


@pytest.mark.parametrize(
    ("data_type", "expected"),
    [
        ("Time64(Microsecond)", pa.time64("us")),
        ("Duration(Second)", pa.duration("s")),
        ("Interval(MonthDayNano)", pa.month_day_nano_interval()),
        ("Float16", pa.float16()),
        ("LargeUtf8", pa.large_string()),
        ("LargeBinary", pa.large_binary()),
        ("FixedSizeBinary(2)", pa.binary(2)),
        ("Decimal256(40, 2)", pa.decimal256(40, 2)),
        ("UInt64", pa.uint64()),
        ("Null", pa.null()),
        ("Date64", pa.date64()),
        ("Timestamp(Nanosecond, None)", pa.timestamp("ns")),
    ],
)
def test_types_that_tables_do_not_have_travel_all_the_same(cursor: Cursor, data_type: str, expected: pa.DataType) -> None:
    cursor.execute(f"SELECT arrow_cast(NULL, '{data_type}') AS x")
    found = cursor.fetch_arrow_table()
    assert found.to_pylist() == [{"x": None}]
    assert found.schema.field("x").type == expected


@pytest.mark.parametrize("data_type", ["Utf8View", "Dictionary(Int32, Utf8)"])
def test_texts_travel_as_plain_texts(cursor: Cursor, data_type: str) -> None:
    cursor.execute(f"SELECT arrow_cast('a text of some length', '{data_type}') AS x")
    found = cursor.fetch_arrow_table()
    assert found.schema.field("x").type == pa.string()
    assert found["x"].to_pylist() == ["a text of some length"]


def test_parameters_are_bound_by_place(cursor: Cursor) -> None:
    values = (7, 2.5, "it's", None, b"\x00", True, datetime.date(2024, 2, 29), MOMENT)
    cursor.execute(
        "SELECT $1::BIGINT, $2::DOUBLE, $3::VARCHAR, $4::VARCHAR, $5::BYTEA, $6::BOOLEAN, $7::DATE, $8::TIMESTAMP", values
    )
    assert cursor.fetchone() == values
    cursor.execute("SELECT count(*) FROM chains WHERE chain = ? AND species = ?", ("heavy", "human"))
    [(counted,)] = cursor.fetchall()
    cursor.execute("SELECT count(*) FROM chains WHERE chain = 'heavy' AND species = 'human'")
    assert cursor.fetchone() == (counted,)
    assert counted > 0


def test_a_parameter_stands_for_a_limit_and_a_list_member(cursor: Cursor) -> None:
    sql = "SELECT value FROM generate_series(1, 9) WHERE value IN ($1, $2, $3) ORDER BY value LIMIT $4"
    cursor.execute(sql, (2, 5, 8, 2))
    assert cursor.fetchall() == [(2,), (5,)]


def test_parameters_are_told_with_their_types(cursor: Cursor) -> None:
    schema = cursor.adbc_prepare("SELECT sequence_id FROM chains WHERE chain = $1 AND v_identity > $2 AND umi_count = $3")
    assert [field.type for field in schema] == [pa.string(), pa.float64(), pa.int64()]


def test_what_a_parameter_holds_is_never_read_as_sql(cursor: Cursor) -> None:
    text = "x'; DROP TABLE chains; --"
    cursor.execute("SELECT $1 AS x, count(*) > 0 FROM chains", (text,))
    assert cursor.fetchone() == (text, True)


def test_many_rows_of_parameters_are_many_statements(cursor: Cursor) -> None:
    cursor.execute("CREATE TABLE many (k INT, name VARCHAR)")
    cursor.executemany("INSERT INTO many VALUES ($1, $2)", [(1, "a"), (2, None), (3, "c")])
    assert cursor.rowcount == 3
    cursor.execute("SELECT k, name FROM many ORDER BY k")
    assert cursor.fetchall() == [(1, "a"), (2, None), (3, "c")]
    cursor.executemany("UPDATE many SET name = $2 WHERE k = $1", [(1, "x"), (3, "y"), (9, "z")])
    assert cursor.rowcount == 2
    cursor.execute("SELECT k, name FROM many ORDER BY k")
    assert cursor.fetchall() == [(1, "x"), (2, None), (3, "y")]


def test_a_missing_parameter_is_named(cursor: Cursor) -> None:
    with pytest.raises(adbc_driver_manager.ProgrammingError, match=r"\$2"):
        cursor.execute("SELECT $1::INT + $2::INT", (1,))
        cursor.fetchall()


def test_changes_tell_how_many_rows_they_changed(cursor: Cursor) -> None:
    told = []
    for sql in (
        "CREATE TABLE changed (k INT)",
        "INSERT INTO changed VALUES (1), (2), (3)",
        "UPDATE changed SET k = k + 10 WHERE k > 1",
        "DELETE FROM changed WHERE k > 100",
        "DELETE FROM changed",
        "DROP TABLE changed",
    ):
        cursor.execute(sql)
        told.append(cursor.rowcount)
    assert told == [0, 3, 2, 0, 3, 0]


def _hundred_thousand() -> pa.Table:
    rows = 100_000
    genes = [f"IGHV{number % 7 + 1}-{number % 30}" for number in range(rows)]
    return pa.table(
        {
            "k": pa.array(range(rows), pa.int64()),
            "gene": pa.array(genes).dictionary_encode(),
            "large": pa.array((None if number % 10 == 0 else f"text {number}" for number in range(rows)), pa.large_string()),
            "text_view": pa.array((f"sequence number {number}" for number in range(rows)), pa.string_view()),
        }
    )


@pytest.mark.parametrize("form", ["table", "reader"])
def test_a_hundred_thousand_rows_are_ingested_as_they_are(served: Served, cursor: Cursor, form: str) -> None:
    rows = _hundred_thousand()
    reader = pa.RecordBatchReader.from_batches(rows.schema, rows.to_batches(max_chunksize=9_973))
    table = f"bulk_{form}"
    assert cursor.adbc_ingest(table, rows if form == "table" else reader, mode="create") == rows.num_rows
    cursor.execute(f"SELECT * FROM {table} ORDER BY k")
    found = cursor.fetch_arrow_table()
    for name in rows.column_names:
        assert found[name].to_pylist() == rows[name].to_pylist(), name
    # One commit made the table, one brought the rows.
    assert len(list((served.folder(table) / "_delta_log").glob("*.json"))) <= 2


@pytest.mark.parametrize("name", ["view", "group", "select", "limit", "Upper", "größe", 'x"y', "a.b", "k`", "'q'"])
def test_any_name_that_a_table_may_have_is_ingested(cursor: Cursor, name: str) -> None:
    for mode in ("create", "append", "replace"):
        assert cursor.adbc_ingest(f"named {name}", pa.table({"k": [1], name: ["v"]}), mode=mode) == 1
    quoted = name.replace('"', '""')
    cursor.execute(f'SELECT "{quoted}" FROM "named {quoted}"')
    assert cursor.fetch_arrow_table().to_pylist() == [{name: "v"}]


@pytest.mark.parametrize("name", ["", " ", "a b", "a;b", "{a}", "K"])
def test_a_name_that_no_column_may_have_is_refused(cursor: Cursor, name: str) -> None:
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="column"):
        cursor.adbc_ingest("misnamed", pa.table({"k": [1], name: ["v"]}), mode="replace")


def test_each_mode_of_ingest_does_what_it_says(cursor: Cursor) -> None:
    def rows() -> list[Any]:
        cursor.execute("SELECT k FROM modes ORDER BY k")
        return [k for (k,) in cursor.fetchall()]

    def some(*numbers: int) -> pa.Table:
        return pa.table({"k": pa.array(numbers, pa.int32())})

    with pytest.raises(adbc_driver_manager.Error, match="modes") as raised:
        cursor.adbc_ingest("modes", some(1), mode="append")
    assert raised.value.status_code == adbc_driver_manager.AdbcStatusCode.NOT_FOUND
    assert cursor.adbc_ingest("modes", some(1), mode="create") == 1
    with pytest.raises(adbc_driver_manager.Error, match="modes") as raised:
        cursor.adbc_ingest("modes", some(2), mode="create")
    assert raised.value.status_code == adbc_driver_manager.AdbcStatusCode.ALREADY_EXISTS
    assert cursor.adbc_ingest("modes", some(2), mode="append") == 1
    assert rows() == [1, 2]
    assert cursor.adbc_ingest("modes", some(3, 4), mode="create_append") == 2
    assert rows() == [1, 2, 3, 4]
    assert cursor.adbc_ingest("modes", some(5), mode="replace") == 1
    assert rows() == [5]
    assert cursor.adbc_ingest("modes", pa.table({"other": ["x"]}), mode="replace") == 1
    cursor.execute("SELECT * FROM modes")
    assert cursor.fetch_arrow_table().to_pylist() == [{"other": "x"}]
    cursor.execute("DROP TABLE modes")
    # A table of no rows has no batch in Python, and then the driver sends nothing at all.
    empty = pa.record_batch([pa.array([], pa.int32())], names=["k"])
    assert cursor.adbc_ingest("modes", empty, mode="create_append") == 0
    assert rows() == []


def test_rows_that_do_not_fit_leave_the_table_as_it_was(cursor: Cursor) -> None:
    cursor.execute("CREATE TABLE strict (k INT NOT NULL, name VARCHAR)")
    cursor.execute("INSERT INTO strict VALUES (1, 'a')")
    for wrong in (
        pa.table({"k": pa.array([2, None], pa.int32()), "name": ["b", "c"]}),
        pa.table({"k": ["no number"], "name": ["b"]}),
        pa.table({"k": pa.array([2], pa.int32()), "surname": ["b"]}),
    ):
        with pytest.raises(adbc_driver_manager.Error, match=r"\bk\b|surname"):
            cursor.adbc_ingest("strict", wrong, mode="append")
    cursor.execute("SELECT * FROM strict")
    assert cursor.fetchall() == [(1, "a")]


def test_a_reader_that_breaks_off_leaves_nothing(cursor: Cursor) -> None:
    schema = pa.schema([("k", pa.int64())])

    def breaking() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([range(50_000)], schema=schema)
        raise ValueError("the source is gone")

    with pytest.raises((adbc_driver_manager.Error, ValueError)):
        cursor.adbc_ingest("broken", pa.RecordBatchReader.from_batches(schema, breaking()), mode="create")
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="broken"):
        cursor.execute("SELECT * FROM broken")


@pytest.mark.parametrize(
    "place", [{"catalog_name": "elsewhere"}, {"db_schema_name": "nowhere"}, {"db_schema_name": "information_schema"}]
)
def test_rows_are_not_ingested_elsewhere(cursor: Cursor, place: dict[str, str]) -> None:
    with pytest.raises(adbc_driver_manager.Error, match=next(iter(place.values()))):
        cursor.adbc_ingest("placed_elsewhere", pa.table({"k": [1]}), mode="create", **place)


def test_rows_are_ingested_into_the_lake_by_its_name(cursor: Cursor) -> None:
    rows = pa.table({"k": [1]})
    assert cursor.adbc_ingest("placed", rows, mode="create", catalog_name="lake", db_schema_name="main") == 1
    with pytest.raises(adbc_driver_manager.NotSupportedError, match="temporary"):
        cursor.adbc_ingest("placed", rows, mode="create", temporary=True)


def test_the_server_says_what_it_is(connection: Connection) -> None:
    info = connection.adbc_get_info()
    assert info["vendor_name"] == "Paratope"
    assert info["vendor_version"]
    assert info["vendor_arrow_version"]


def test_types_of_tables_are_those_of_relations(connection: Connection) -> None:
    types = connection.adbc_get_table_types()
    assert {"TABLE", "VIEW"} <= set(types)
    objects = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
    assert {table["table_type"] for table in _tables(objects)} <= set(types)


def _tables(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        table
        for catalog in objects
        for schema in catalog["catalog_db_schemas"] or []
        for table in schema["db_schema_tables"] or []
    ]


def _objects(connection: Connection, depth: str, **filters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = connection.adbc_get_objects(depth=depth, **filters).read_all().to_pylist()
    return found


def test_objects_are_listed_to_each_depth(connection: Connection) -> None:
    assert _objects(connection, "catalogs") == [{"catalog_name": "lake", "catalog_db_schemas": None}]
    [lake] = _objects(connection, "db_schemas")
    schemas = [schema["db_schema_name"] for schema in lake["catalog_db_schemas"]]
    assert schemas == sorted(schemas)
    assert {"main", "system"} <= set(schemas)
    assert all(schema["db_schema_tables"] is None for schema in lake["catalog_db_schemas"])
    tables = _tables(_objects(connection, "tables"))
    assert {"chains", "proteins", "catalog"} <= {table["table_name"] for table in tables}
    assert all(table["table_columns"] is None for table in tables)
    with_columns = _tables(_objects(connection, "all"))
    assert [table["table_name"] for table in with_columns] == [table["table_name"] for table in tables]
    [chains] = [table for table in with_columns if table["table_name"] == "chains"]
    schema = connection.adbc_get_table_schema("chains")
    assert [column["column_name"] for column in chains["table_columns"]] == schema.names
    assert [column["ordinal_position"] for column in chains["table_columns"]] == list(range(1, len(schema) + 1))
    assert chains["table_constraints"] == []


def test_objects_are_filtered_by_patterns(connection: Connection) -> None:
    def names(**filters: Any) -> list[str]:
        return [table["table_name"] for table in _tables(_objects(connection, "tables", **filters))]

    assert names(table_name_filter="chains") == ["chains"]
    assert names(table_name_filter="chain_") == ["chains"]
    assert names(table_name_filter="%chains") == ["chains", "paired_chains", "protein_chains"]
    assert names(table_name_filter="chains'; --") == []
    assert names(catalog_filter="elsewhere") == []
    assert "chains" not in names(db_schema_filter="syst%")
    assert "catalog" in names(db_schema_filter="syst%")
    views = names(table_types_filter=["VIEW"])
    assert "paired_chains" in views
    assert "chains" not in views
    [chains] = _tables(_objects(connection, "all", table_name_filter="chains", column_name_filter="v_domain%"))
    assert chains["table_columns"]
    assert all(column["column_name"].startswith("v_domain") for column in chains["table_columns"])


def test_the_schema_of_a_table_is_that_of_its_rows(served: Served, connection: Connection) -> None:
    for table in ("chains", "proteins", "paired_chains"):
        told = connection.adbc_get_table_schema(table)
        assert told.equals(served.query(f"SELECT * FROM {table} LIMIT 0").schema), table
        assert told.equals(connection.adbc_get_table_schema(table, db_schema_filter="main")), table
    with pytest.raises(adbc_driver_manager.Error):
        connection.adbc_get_table_schema("chains", db_schema_filter="system")


def test_statistics_are_not_supported_and_said_not_to_be(connection: Connection) -> None:
    with pytest.raises(adbc_driver_manager.NotSupportedError):
        connection.adbc_get_statistics()


def test_the_schema_of_a_query_is_known_without_running_it(served: Served, cursor: Cursor) -> None:
    sql = "SELECT chain, v_identity, attributes, 1 + NULL AS nothing FROM chains"
    assert cursor.adbc_execute_schema(sql).equals(served.query(f"{sql} LIMIT 1").schema)
    assert cursor.adbc_execute_schema(ENDLESS).names == ["n"]


def test_a_query_in_parts_gives_the_same_rows(served: Served, cursor: Cursor) -> None:
    partitions, schema = cursor.adbc_execute_partitions("SELECT sequence_id, chain FROM chains")
    parts = []
    for partition in partitions:
        cursor.adbc_read_partition(partition)
        parts.append(cursor.fetch_arrow_table())
    found = pa.concat_tables(parts)
    assert found.schema.equals(schema)
    assert_same_rows(found, served.in_process("SELECT sequence_id, chain FROM chains"))


def test_a_query_is_polled_until_all_its_parts_are_there(served: Served, connection: Connection, cursor: Cursor) -> None:
    sql = "SELECT sequence_id, chain FROM chains"
    # With this option, the driver asks by PollFlightInfo; no part more means that all are there.
    cursor.adbc_statement.set_options(**{"adbc.statement.exec.incremental": "true"})
    partitions, schema = cursor.adbc_execute_partitions(sql)
    assert cursor.adbc_statement.get_option_float("adbc.statement.exec.progress") == 1.0
    found = []
    while partitions:
        for partition in partitions:
            with connection.cursor() as reader:
                reader.adbc_read_partition(partition)
                found.append(reader.fetch_arrow_table())
        partitions, _, _ = cursor.adbc_statement.execute_partitions()
    rows = pa.concat_tables(found)
    assert rows.schema.equals(schema)
    assert_same_rows(rows, served.in_process(sql))


def test_statements_commit_by_themselves_and_the_server_says_so(served: Served, cursor: Cursor) -> None:
    cursor.execute("CREATE TABLE committed (k INT)")
    cursor.execute("INSERT INTO committed VALUES (1)")
    # Another process sees it at once.
    assert served.in_process("SELECT k FROM committed")["k"].to_pylist() == [1]
    # A transaction is refused: rows would else be kept that a client means to roll back.
    with pytest.warns(Warning, match="autocommit"):
        connection = adbc_driver_flightsql.dbapi.connect(served.uri)
    with connection:
        with pytest.raises(adbc_driver_manager.NotSupportedError, match="transaction"):
            connection.adbc_connection.set_autocommit(False)


@pytest.mark.parametrize("sql", ["BEGIN", "COMMIT", "ROLLBACK"])
def test_transactions_as_sql_are_refused(cursor: Cursor, sql: str) -> None:
    with pytest.raises(adbc_driver_manager.NotSupportedError):
        cursor.execute(sql)
        cursor.fetchall()


@pytest.mark.parametrize(
    ("sql", "message", "at"),
    [
        ("SELECT v_gen FROM chains", "did you mean v_gene", "v_gen"),
        ("SELECT *\nFROM chaisn", "did you mean chains", "chaisn"),
        ("SELECT protein_mas('ACD')", "did you mean protein_mass", "protein_mas"),
        ("SELECT chain FROM chains GROUP BY", "syntax", ""),
        ("SELECT CAST('x' AS INT) FROM chains", "Cannot cast", "'x'"),
        ("INSERT INTO chaisn VALUES (1)", "did you mean chains", "chaisn"),
    ],
)
def test_an_error_points_at_its_place_and_names_what_is_near(cursor: Cursor, sql: str, message: str, at: str) -> None:
    with pytest.raises(adbc_driver_manager.ProgrammingError, match=message) as raised:
        cursor.execute(sql)
        cursor.fetchall()
    # The table that a statement changes is looked up by the lake, the others by the planner.
    codes = adbc_driver_manager.AdbcStatusCode
    assert raised.value.status_code == (codes.NOT_FOUND if sql.startswith("INSERT") else codes.INVALID_ARGUMENT)
    text = str(raised.value)
    lines = text.splitlines()
    [marked] = [number for number, line in enumerate(lines) if line.strip().startswith("^")]
    start, width = lines[marked].index("^"), lines[marked].count("^")
    if at:
        assert lines[marked - 1][start : start + width] == at
    line, column = (int(part.split()[1]) for part in lines[marked - 2].rstrip(":").split(", "))
    assert sql.splitlines()[line - 1][column - 1 :].startswith(at)


def test_a_failed_statement_leaves_its_connection_usable(cursor: Cursor) -> None:
    for sql in ("SELECT nothing", "SELECT 1 / 0", "SET datafusion.runtime.memory_limit = '1G'", "SELECT 1; SELECT 2"):
        with pytest.raises(adbc_driver_manager.Error):
            cursor.execute(sql)
            cursor.fetchall()
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_connections_have_sessions_of_their_own(served: Served) -> None:
    name = "datafusion.execution.batch_size"
    with served.connect() as one, served.connect() as other, one.cursor() as in_one, other.cursor() as in_other:
        before = session_options(other)[name]
        in_one.execute(f"SET {name} = 1234")
        for cursor, expected in ((in_one, "1234"), (in_other, before)):
            cursor.execute(f"SHOW {name}")
            assert cursor.fetch_arrow_table()["value"].to_pylist() == [expected]
        assert session_options(one)[name] == "1234"
        assert session_options(other)[name] == before
        in_one.execute(f"RESET {name}")
        assert session_options(one)[name] == before


@pytest.mark.parametrize("cookies", ["true", "false"])
def test_an_option_of_a_session_is_set_by_a_call_or_by_sql(served: Served, cookies: str) -> None:
    name = "datafusion.execution.batch_size"
    with served.connect(**{"adbc.flight.sql.rpc.with_cookie_middleware": cookies}) as connection, connection.cursor() as cursor:
        connection.adbc_connection.set_options(**{f"adbc.flight.sql.session.option.{name}": "4321"})
        cursor.execute(f"SHOW {name}")
        assert cursor.fetch_arrow_table()["value"].to_pylist() == ["4321"]
        cursor.execute(f"SET {name} = 1234")
        assert session_options(connection)[name] == "1234"


def test_an_option_that_a_session_may_not_set_is_refused(served: Served) -> None:
    with served.connect() as connection:
        for name in ("datafusion.runtime.memory_limit", "no.such.option"):
            with pytest.raises(adbc_driver_manager.Error):
                connection.adbc_connection.set_options(**{f"adbc.flight.sql.session.option.{name}": "1"})


def test_a_connection_has_a_catalog_and_a_schema(connection: Connection) -> None:
    assert (connection.adbc_current_catalog, connection.adbc_current_db_schema) == ("lake", "main")
    connection.adbc_current_db_schema = "main"
    with pytest.raises(adbc_driver_manager.Error):
        connection.adbc_current_db_schema = "nowhere"


def test_an_external_table_is_its_connections_alone(served: Served) -> None:
    folder = served.outside / "theirs"
    write_deltalake(folder, pa.table({"k": [1]}))
    with served.connect() as one, served.connect() as other, one.cursor() as in_one, other.cursor() as in_other:
        in_one.execute(f"CREATE EXTERNAL TABLE mine STORED AS DELTA LOCATION '{folder}'")
        in_one.execute("SELECT count(*) > 0 FROM mine")
        assert in_one.fetchone() == (True,)
        with pytest.raises(adbc_driver_manager.ProgrammingError, match="mine"):
            in_other.execute("SELECT * FROM mine")


def test_first_rows_come_before_the_last_are_computed(served: Served, cursor: Cursor) -> None:
    start = time.monotonic()
    cursor.execute(ENDLESS)
    reader = cursor.fetch_record_batch()
    rows = sum(reader.read_next_batch().num_rows for _ in range(20))
    assert rows > 0
    assert time.monotonic() - start < 30
    [running] = served.running()
    # Literals are nobody else's business.
    assert running["statement"] == ENDLESS.replace("1, 1000000", "?, ?")


def test_a_large_result_streams_through_little_memory(served: Served, cursor: Cursor) -> None:
    def peak() -> int:
        status = Path(f"/proc/{served.process}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024

    rows = 8_000_000
    cursor.execute(f"SELECT value, repeat('x', 50) || value AS text FROM generate_series(1, {rows})")
    reader = cursor.fetch_record_batch()
    before, seen, size, total = peak(), 0, 0, 0
    for batch in reader:
        seen, size = seen + batch.num_rows, size + batch.nbytes
        total += pa.compute.sum(batch["value"]).as_py()
    assert (seen, total) == (rows, rows * (rows + 1) // 2)
    assert size > 500_000_000
    assert peak() - before < 200


def test_a_cursor_that_is_closed_early_stops_its_query(served: Served, connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(ENDLESS)
        assert cursor.fetchone() is not None
        assert served.running()
    assert eventually(lambda: not served.running(), 2)


def test_a_connection_that_is_closed_stops_its_query(served: Served) -> None:
    connection = served.connect()
    cursor = connection.cursor()
    cursor.execute(ENDLESS)
    assert cursor.fetchone() is not None
    cursor.close()
    connection.close()
    assert eventually(lambda: not served.running(), 2)


@pytest.fixture
def apart(paratope: Paratope, tmp_path: Path) -> Iterator[Served]:
    """A server of its own: a statement that does not end would take the others' time."""
    lake = Paratope(paratope.binary, tmp_path / "lake")
    lake.run("init")
    with serve(lake.binary, lake.lake) as server:
        yield server


def _read_elsewhere(cursor: Cursor, sql: str) -> tuple[threading.Thread, list[BaseException]]:
    """A thread that reads rows to their end, and how that ended."""
    raised: list[BaseException] = []

    def read() -> None:
        try:
            cursor.execute(sql)
            while cursor.fetchmany(100_000):
                pass
        except BaseException as error:  # noqa: BLE001 (looked at by the test)
            raised.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    return reader, raised


@pytest.mark.parametrize("sql", [ENDLESS, SILENT], ids=["with rows", "without"])
def test_a_query_is_cancelled_from_another_thread(apart: Served, sql: str) -> None:
    with apart.connect() as connection, connection.cursor() as cursor:
        reader, raised = _read_elsewhere(cursor, sql)
        assert eventually(lambda: bool(apart.running()))
        cursor.adbc_cancel()
        reader.join(10)
        assert not reader.is_alive()
        [error] = raised
        assert isinstance(error, adbc_driver_manager.OperationalError), error
        assert error.status_code == adbc_driver_manager.AdbcStatusCode.CANCELLED
        assert eventually(lambda: not apart.running(), 2)
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_query_is_killed_by_its_id(apart: Served) -> None:
    with apart.connect() as connection, connection.cursor() as cursor:
        reader, raised = _read_elsewhere(cursor, SILENT)
        assert eventually(lambda: bool(apart.running()))
        [row] = apart.running()
        apart.run(f"KILL QUERY '{row['query_id']}'")
        reader.join(10)
        assert not reader.is_alive()
        [error] = raised
        assert "cancelled" in str(error)
        assert not apart.running()


def test_short_queries_get_their_turn_beside_long_ones(apart: Served) -> None:
    with apart.connect() as connection, connection.cursor() as one, connection.cursor() as other:
        readers = [_read_elsewhere(cursor, SILENT)[0] for cursor in (one, other)]
        assert eventually(lambda: len(apart.running()) == 2)
        for _ in range(5):
            assert apart.query("SELECT count(*) AS n FROM generate_series(1, 1000)").to_pylist() == [{"n": 1000}]
        assert len(apart.running()) == 2
        for cursor, reader in zip((one, other), readers, strict=True):
            cursor.adbc_cancel()
            reader.join(10)
        assert eventually(lambda: not apart.running(), 2)


def test_one_connection_serves_several_cursors_at_once(connection: Connection) -> None:
    with connection.cursor() as slow, connection.cursor() as quick:
        slow.execute(ENDLESS)
        assert slow.fetchone() is not None
        quick.execute("SELECT count(*) > 0 FROM chains")
        assert quick.fetchone() == (True,)
        assert slow.fetchone() is not None
