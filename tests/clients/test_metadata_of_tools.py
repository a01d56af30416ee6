"""What database tools ask before they show a table: DBeaver, Tableau, Metabase, Superset and Grafana, in their order."""

from __future__ import annotations

from collections.abc import Iterator

import flightsql.flightsql_pb2 as sql
import pyarrow as pa
import pytest
from google.protobuf.message import Message
from messages import command
from pyarrow import flight
from served import Served

TEXT, NUMBER = pa.string(), pa.int32()


def _schema(*fields: tuple[str, pa.DataType, bool]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable) for name, kind, nullable in fields])


# The columns of each answer, from the specification (FlightSql.proto).
FOREIGN_KEYS = _schema(
    ("pk_catalog_name", TEXT, True), ("pk_db_schema_name", TEXT, True), ("pk_table_name", TEXT, False),
    ("pk_column_name", TEXT, False), ("fk_catalog_name", TEXT, True), ("fk_db_schema_name", TEXT, True),
    ("fk_table_name", TEXT, False), ("fk_column_name", TEXT, False), ("key_sequence", NUMBER, False),
    ("fk_key_name", TEXT, True), ("pk_key_name", TEXT, True), ("update_rule", pa.uint8(), False),
    ("delete_rule", pa.uint8(), False),
)  # fmt: skip
TABLES = _schema(
    ("catalog_name", TEXT, True), ("db_schema_name", TEXT, True), ("table_name", TEXT, False), ("table_type", TEXT, False)
)
ANSWERS: dict[str, tuple[Message, pa.Schema]] = {
    "catalogs": (sql.CommandGetCatalogs(), _schema(("catalog_name", TEXT, False))),
    "schemas": (sql.CommandGetDbSchemas(), _schema(("catalog_name", TEXT, True), ("db_schema_name", TEXT, False))),
    "tables": (sql.CommandGetTables(), TABLES),
    "tables with columns": (
        sql.CommandGetTables(include_schema=True), TABLES.append(pa.field("table_schema", pa.binary(), False))
    ),
    "table types": (sql.CommandGetTableTypes(), _schema(("table_type", TEXT, False))),
    "primary keys": (
        sql.CommandGetPrimaryKeys(table="chains"),
        _schema(
            ("catalog_name", TEXT, True), ("db_schema_name", TEXT, True), ("table_name", TEXT, False),
            ("column_name", TEXT, False), ("key_sequence", NUMBER, False), ("key_name", TEXT, True),
        ),
    ),
    "exported keys": (sql.CommandGetExportedKeys(table="chains"), FOREIGN_KEYS),
    "imported keys": (sql.CommandGetImportedKeys(table="chains"), FOREIGN_KEYS),
    "cross reference": (sql.CommandGetCrossReference(pk_table="chains", fk_table="proteins"), FOREIGN_KEYS),
    "types": (
        sql.CommandGetXdbcTypeInfo(),
        _schema(
            ("type_name", TEXT, False), ("data_type", NUMBER, False), ("column_size", NUMBER, True),
            ("literal_prefix", TEXT, True), ("literal_suffix", TEXT, True),
            ("create_params", pa.list_(pa.field("item", TEXT, False)), True), ("nullable", NUMBER, False),
            ("case_sensitive", pa.bool_(), False), ("searchable", NUMBER, False), ("unsigned_attribute", pa.bool_(), True),
            ("fixed_prec_scale", pa.bool_(), False), ("auto_increment", pa.bool_(), True), ("local_type_name", TEXT, True),
            ("minimum_scale", NUMBER, True), ("maximum_scale", NUMBER, True), ("sql_data_type", NUMBER, False),
            ("datetime_subcode", NUMBER, True), ("num_prec_radix", NUMBER, True), ("interval_precision", NUMBER, True),
        ),
    ),
}  # fmt: skip
HAVE_ROWS = {"catalogs", "schemas", "tables", "tables with columns", "table types", "types"}


@pytest.fixture
def client(served: Served) -> Iterator[flight.FlightClient]:
    """A client that knows Flight only."""
    with flight.connect(served.uri) as made:
        yield made


def read(client: flight.FlightClient, message: Message) -> pa.Table:
    """The rows that a command names."""
    info = client.get_flight_info(command(message))
    table = client.do_get(info.endpoints[0].ticket).read_all()
    assert table.schema.equals(info.schema)
    return table


@pytest.mark.parametrize("what", ANSWERS)
def test_each_answer_has_the_columns_of_the_specification(client: flight.FlightClient, what: str) -> None:
    message, expected = ANSWERS[what]
    found = read(client, message)
    assert found.schema.remove_metadata().equals(expected), found.schema
    assert client.get_schema(command(message)).schema.equals(found.schema)
    assert (found.num_rows > 0) == (what in HAVE_ROWS)


def info(client: flight.FlightClient, *codes: int) -> dict[int, object]:
    """What the server says of itself."""
    rows = read(client, sql.CommandGetSqlInfo(info=codes)).to_pylist()
    return {row["info_name"]: row["value"] for row in rows}


def test_a_request_for_no_code_is_one_for_all(client: flight.FlightClient) -> None:
    told = info(client)
    assert set(range(9)) | {100, 101} | set(range(500, 577)) <= set(told)
    # Without it, tools write identifiers that the server reads as other ones.
    assert told[sql.SQL_IDENTIFIER_QUOTE_CHAR] == '"'
    assert told[sql.FLIGHT_SQL_SERVER_NAME] == "Paratope"
    assert told[sql.FLIGHT_SQL_SERVER_READ_ONLY] is False
    assert told[sql.FLIGHT_SQL_SERVER_CANCEL] is True
    assert told[sql.FLIGHT_SQL_SERVER_TRANSACTION] == sql.SQL_SUPPORTED_TRANSACTION_NONE
    assert told[sql.SQL_TRANSACTIONS_SUPPORTED] is False
    assert "protein_mass" in told[sql.SQL_STRING_FUNCTIONS]
    assert "SELECT" in [keyword.upper() for keyword in told[sql.SQL_KEYWORDS]]


def test_codes_come_alone_when_they_are_asked_for(client: flight.FlightClient) -> None:
    assert info(client, sql.SQL_IDENTIFIER_QUOTE_CHAR, sql.SQL_CATALOG_TERM) == {504: '"', 531: "lake"}


def test_what_the_server_says_of_its_sql_is_true(client: flight.FlightClient) -> None:
    def run(text: str) -> list[list[object]]:
        return [list(row.values()) for row in read(client, sql.CommandStatementQuery(query=text)).to_pylist()]

    told = info(client)
    quote = told[sql.SQL_IDENTIFIER_QUOTE_CHAR]
    assert run(f"SELECT {quote}V_Gene{quote} FROM (SELECT 1 AS {quote}V_Gene{quote})") == [[1]]
    assert (run("SELECT NULL + NULL") == [[None]]) == told[sql.SQL_NULL_PLUS_NULL_IS_NULL]
    # 1: NULLs are sorted as the highest values.
    assert told[sql.SQL_NULL_ORDERING] == 0
    assert run("SELECT a FROM (VALUES (1), (NULL)) AS t (a) ORDER BY a") == [[1], [None]]
    assert run("SELECT a FROM (VALUES (1), (NULL)) AS t (a) ORDER BY a DESC") == [[None], [1]]
    escape = told[sql.SQL_SEARCH_STRING_ESCAPE]
    assert run(f"SELECT 'a_b' LIKE 'a{escape}_b', 'axb' LIKE 'a{escape}_b'") == [[True, False]]
    names = ", ".join(f"'{name}'" for name in told[sql.SQL_NUMERIC_FUNCTIONS])
    known = "SELECT count(DISTINCT routine_name) FROM information_schema.routines WHERE routine_name IN"
    assert run(f"{known} ({names})") == [[len(told[sql.SQL_NUMERIC_FUNCTIONS])]]


def test_dbeaver_finds_tables_and_their_columns(client: flight.FlightClient) -> None:
    info(client)
    [lake] = read(client, sql.CommandGetCatalogs())["catalog_name"].to_pylist()
    schemas = read(client, sql.CommandGetDbSchemas(catalog=lake))["db_schema_name"].to_pylist()
    read(client, sql.CommandGetTableTypes())
    read(client, sql.CommandGetXdbcTypeInfo())
    for schema in schemas:
        wanted = sql.CommandGetTables(catalog=lake, db_schema_filter_pattern=schema, include_schema=True)
        for table in read(client, wanted).to_pylist():
            columns = pa.ipc.read_schema(pa.py_buffer(table["table_schema"]))
            place = ".".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in (lake, schema, table["table_name"]))
            found = read(client, sql.CommandStatementQuery(query=f"SELECT * FROM {place} LIMIT 3"))
            assert found.schema.remove_metadata().equals(columns.remove_metadata()), place
            keys = sql.CommandGetPrimaryKeys(catalog=lake, db_schema=schema, table=table["table_name"])
            assert read(client, keys).num_rows == 0


def test_columns_tell_clients_where_they_are_from_and_what_they_mean(client: flight.FlightClient) -> None:
    wanted = sql.CommandGetTables(table_name_filter_pattern="chains", include_schema=True)
    [table] = read(client, wanted).to_pylist()
    columns = pa.ipc.read_schema(pa.py_buffer(table["table_schema"]))
    assert all(field.metadata[b"comment"] for field in columns)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("chains", ["chains"]),
        ("chain_", ["chains"]),
        ("chain\\_", []),
        ("%_chains", ["paired_chains", "protein_chains"]),
        ("%\\_chains", ["paired_chains", "protein_chains"]),
        ("CHAINS", []),
        ("", []),
    ],
)
def test_patterns_choose_tables(client: flight.FlightClient, pattern: str, expected: list[str]) -> None:
    wanted = sql.CommandGetTables(table_name_filter_pattern=pattern, db_schema_filter_pattern="main")
    assert read(client, wanted)["table_name"].to_pylist() == expected


def test_grafana_sends_plain_statements_and_macros_become_conditions(client: flight.FlightClient) -> None:
    # Its health check, its list of tables, then a panel's query.
    assert read(client, sql.CommandStatementQuery(query="SELECT 1")).num_rows == 1
    tables = read(client, sql.CommandGetTables(include_schema=True))
    assert "chains" in tables["table_name"].to_pylist()
    panel = (
        "SELECT date_bin(interval '60 seconds', ingested_at, timestamp '1970-01-01T00:00:00Z') AS time, count(*) AS n"
        " FROM chains WHERE ingested_at >= '2020-01-01T00:00:00Z' AND ingested_at <= '2100-01-01T00:00:00Z' GROUP BY 1 ORDER BY 1"
    )
    found = read(client, sql.CommandStatementQuery(query=panel))
    assert pa.types.is_timestamp(found.schema.field("time").type)
    assert found.num_rows > 0
