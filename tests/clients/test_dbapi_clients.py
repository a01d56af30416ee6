"""`flightsql-dbapi` and, over it, SQLAlchemy: the way that Superset and notebooks come by."""

from __future__ import annotations

from collections.abc import Iterator

import flightsql
import flightsql.sqlalchemy  # noqa: F401 (makes the dialect known)
import pyarrow as pa
import pytest
import sqlalchemy as sa
from flightsql import FlightSQLClient
from flightsql.client import TableRef
from served import Served

DIALECT = "datafusion+flightsql"


@pytest.fixture
def client(served: Served) -> Iterator[FlightSQLClient]:
    """A client of the package's own."""
    made = FlightSQLClient(host=served.host, port=served.port, insecure=True)
    yield made
    made.close()


@pytest.fixture
def connection(client: FlightSQLClient) -> flightsql.Connection:
    """A DB-API connection."""
    return flightsql.connect(client)


@pytest.fixture(params=["literals", "prepared"])
def engine(served: Served, request: pytest.FixtureRequest) -> Iterator[sa.engine.Engine]:
    """SQLAlchemy's engine: with values in the statement, or as parameters of a prepared one."""
    how = "&feature-sqlalchemy-prepared-statements=on" if request.param == "prepared" else ""
    made = sa.create_engine(f"{DIALECT}://{served.host}:{served.port}?insecure=true{how}")
    yield made
    made.dispose()


def test_a_client_fetches_rows_and_changes_them(client: FlightSQLClient) -> None:
    info = client.execute("SELECT value FROM generate_series(1, 3) ORDER BY value")
    assert client.do_get(info.endpoints[0].ticket).read_all().to_pydict() == {"value": [1, 2, 3]}
    assert client.execute_update("CREATE TABLE by_client (k INT)") == 0
    assert client.execute_update("INSERT INTO by_client VALUES (1), (2)") == 2
    assert client.execute_update("DROP TABLE by_client") == 0


def test_a_client_asks_for_everything_that_it_can(client: FlightSQLClient) -> None:
    def rows(info: pa.flight.FlightInfo) -> int:
        return int(client.do_get(info.endpoints[0].ticket).read_all().num_rows)

    chains, proteins = TableRef(table="chains"), TableRef(table="proteins")
    assert rows(client.get_catalogs()) == 1
    assert rows(client.get_db_schemas(db_schema_filter_pattern="ma%")) == 1
    assert rows(client.get_tables(table_name_filter_pattern="chains", table_types=["TABLE"])) == 1
    assert rows(client.get_table_types()) > 1
    assert rows(client.get_sql_info([504])) == 1
    assert rows(client.get_xdbc_type_info(None)) > rows(client.get_xdbc_type_info(12)) == 1
    assert rows(client.get_primary_keys(chains)) == 0
    assert rows(client.get_exported_keys(chains)) == 0
    assert rows(client.get_imported_keys(chains)) == 0
    assert rows(client.get_cross_reference(chains, proteins)) == 0


def test_a_prepared_statement_takes_its_unions_as_parameters(client: FlightSQLClient) -> None:
    values = (2, 0.5, "it's", b"\x00", True)
    with client.prepare("SELECT $1::BIGINT, $2::DOUBLE, $3::VARCHAR, $4::BYTEA, $5::BOOLEAN") as prepared:
        # This client wraps every value in a union of all the types that it knows.
        info = prepared.execute(flightsql.dbapi.ParameterRecordBuilder(values).build_record())
        found = client.do_get(info.endpoints[0].ticket).read_all()
    [row] = found.to_pylist()
    assert tuple(row.values()) == values


def test_a_cursor_reads_rows_with_and_without_parameters(connection: flightsql.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT value, 'v' || value AS name FROM generate_series(1, 3) ORDER BY value")
    assert [column[0] for column in cursor.description] == ["value", "name"]
    assert cursor.fetchone() == [1, "v1"]
    assert cursor.fetchall() == [[2, "v2"], [3, "v3"]]
    cursor.execute("SELECT count(*) FROM chains WHERE chain = ? AND v_identity > ?", ("heavy", 0.5))
    [[some]] = cursor.fetchall()
    cursor.execute("SELECT count(*) FROM chains WHERE chain = 'heavy' AND v_identity > 0.5")
    assert cursor.fetchall() == [[some]]


def test_the_engine_knows_schemas_tables_and_columns(served: Served, engine: sa.engine.Engine) -> None:
    inspector = sa.inspect(engine)
    assert {"main", "system", "information_schema"} <= set(inspector.get_schema_names())
    assert {"chains", "proteins", "paired_chains"} <= set(inspector.get_table_names("main"))
    assert "chains" not in inspector.get_table_names("system")
    assert inspector.has_table("chains")
    columns = {column["name"]: column for column in inspector.get_columns("chains", "main")}
    assert list(columns) == served.query("SELECT * FROM chains LIMIT 0").schema.names
    assert columns["sequence_id"]["nullable"] is False
    assert columns["v_identity"]["nullable"] is True
    kinds = {name: str(columns[name]["type"]) for name in ("sequence_id", "productive", "umi_count", "ingested_at")}
    assert kinds == {"sequence_id": "TEXT", "productive": "BOOLEAN", "umi_count": "BIGINT", "ingested_at": "TIMESTAMP"}


def test_a_reflected_table_is_selected_from(served: Served, engine: sa.engine.Engine) -> None:
    chains = sa.Table("chains", sa.MetaData(), autoload_with=engine, schema="main")
    query = (
        sa.select(chains.c.species, sa.func.count().label("n"))
        .where(chains.c.chain == "heavy", chains.c.v_gene.like("IGHV%"))
        .group_by(chains.c.species)
        .order_by(chains.c.species)
        .limit(5)
    )
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(query)]
    sql = (
        "SELECT species, count(*) AS n FROM chains WHERE chain = 'heavy' AND v_gene LIKE 'IGHV%'"
        " GROUP BY species ORDER BY species LIMIT 5"
    )
    assert found == [tuple(row.values()) for row in served.in_process(sql).to_pylist()]
    assert found


def test_names_are_quoted_as_the_server_says(engine: sa.engine.Engine) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text('CREATE TABLE IF NOT EXISTS "Mixed Names" ("Upper" INT, "select" INT)'))
        mixed = sa.Table("Mixed Names", sa.MetaData(), autoload_with=engine, schema="main")
        query = sa.select(mixed.c.Upper, mixed.c["select"])
        assert connection.execute(query).fetchall() == []
        connection.execute(sa.text('DROP TABLE "Mixed Names"'))


def test_functions_of_antibodies_are_called_like_any_other(engine: sa.engine.Engine) -> None:
    with engine.connect() as connection:
        [row] = connection.execute(sa.select(sa.func.protein_mass("ACDEF")))
    assert 500 < row[0] < 600
