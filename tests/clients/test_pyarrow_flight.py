"""Plain Flight clients: pyarrow sends the messages of Flight SQL without knowing them, as many small tools do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import flightsql.flightsql_pb2 as sql
import pyarrow as pa
import pytest
from messages import command, option_errors, packed, part, parts, session_options, set_session_options, unpacked
from pyarrow import flight
from rows import assert_same_rows
from served import Served, eventually

OPTION = "datafusion.execution.batch_size"
ENDLESS = "SELECT a.value FROM generate_series(1, 1000000) a CROSS JOIN generate_series(1, 1000000) b"


@pytest.fixture
def client(served: Served) -> Iterator[flight.FlightClient]:
    """A client that keeps no cookies."""
    with flight.connect(served.uri.replace("grpc", "grpc+tcp")) as made:
        yield made


def statement(text: str) -> flight.FlightDescriptor:
    """What names a query."""
    return command(sql.CommandStatementQuery(query=text))


def read(client: flight.FlightClient, descriptor: flight.FlightDescriptor) -> pa.Table:
    """All rows; the schema that was announced is that of the rows."""
    info = client.get_flight_info(descriptor)
    tables = [client.do_get(endpoint.ticket).read_all() for endpoint in info.endpoints]
    for table in tables:
        assert table.schema.equals(info.schema, check_metadata=True)
    return pa.concat_tables(tables)


def act(client: flight.FlightClient, name: str, body: bytes = b"") -> bytes:
    """The one answer of an action."""
    [result] = client.do_action(flight.Action(name, body))
    return bytes(result.body.to_pybytes())


def assert_cancelled(reader: flight.FlightStreamReader) -> None:
    """A reader is told that its statement was cancelled. (`read_all` would make an interrupt of it.)"""
    with pytest.raises((flight.FlightCancelledError, pa.ArrowCancelled)):
        while True:
            reader.read_chunk()


def test_a_statement_is_described_and_fetched(served: Served, client: flight.FlightClient) -> None:
    text = "SELECT * FROM chains"
    info = client.get_flight_info(statement(text))
    # Grafana and flightsql-dbapi read the first endpoint only.
    [endpoint] = info.endpoints
    assert endpoint.locations == []
    assert client.get_schema(statement(text)).schema.equals(info.schema)
    assert_same_rows(client.do_get(endpoint.ticket).read_all(), served.in_process(text))


def test_a_ticket_can_be_fetched_again_and_gives_the_same_rows(served: Served, client: flight.FlightClient) -> None:
    served.run("CREATE TABLE pinned (k INT)", "INSERT INTO pinned VALUES (1)")
    [endpoint] = client.get_flight_info(statement("SELECT k FROM pinned")).endpoints
    before = client.do_get(endpoint.ticket).read_all()
    served.run("INSERT INTO pinned VALUES (2)")
    assert client.do_get(endpoint.ticket).read_all().equals(before)
    assert sorted(read(client, statement("SELECT k FROM pinned"))["k"].to_pylist()) == [1, 2]


def test_a_change_by_ticket_is_carried_out_once(served: Served, client: flight.FlightClient) -> None:
    served.run("CREATE TABLE once (k INT)")
    info = client.get_flight_info(statement("INSERT INTO once VALUES (1)"))
    assert served.query("SELECT * FROM once").num_rows == 0
    for _ in range(3):
        client.do_get(info.endpoints[0].ticket).read_all()
    assert served.query("SELECT * FROM once").num_rows == 1


def test_no_message_is_larger_than_clients_take(served: Served, client: flight.FlightClient) -> None:
    text = "SELECT repeat('x', 20000) || value AS t FROM generate_series(1, 2000)"
    sizes = [chunk.data.nbytes for chunk in client.do_get(client.get_flight_info(statement(text)).endpoints[0].ticket)]
    assert len(sizes) > 10
    assert max(sizes) < 4 << 20


def test_an_update_tells_its_rows(served: Served, client: flight.FlightClient) -> None:
    def update(text: str) -> int:
        writer, reader = client.do_put(command(sql.CommandStatementUpdate(query=text)), pa.schema([]))
        writer.done_writing()
        told = sql.DoPutUpdateResult()
        told.ParseFromString(reader.read().to_pybytes())
        writer.close()
        return int(told.record_count)

    assert update("CREATE TABLE updated (k INT)") == 0
    assert update("INSERT INTO updated VALUES (1), (2)") == 2
    assert update("DELETE FROM updated WHERE k = 1") == 1
    assert served.query("SELECT k FROM updated")["k"].to_pylist() == [2]


def test_a_prepared_statement_takes_parameters_and_is_closed(client: flight.FlightClient) -> None:
    text = "SELECT $1::BIGINT + value AS n FROM generate_series(1, 2) ORDER BY n"
    request = sql.ActionCreatePreparedStatementRequest(query=text)
    made = unpacked(act(client, "CreatePreparedStatement", packed(request)), sql.ActionCreatePreparedStatementResult())
    parameters = pa.ipc.read_schema(pa.py_buffer(made.parameter_schema))
    assert parameters.types == [pa.int64()]
    columns = pa.ipc.read_schema(pa.py_buffer(made.dataset_schema))
    query = command(sql.CommandPreparedStatementQuery(prepared_statement_handle=made.prepared_statement_handle))
    for value in (10, 20):
        row = pa.record_batch([pa.array([value])], names=["$1"])
        writer, reader = client.do_put(query, row.schema)
        writer.write_batch(row)
        writer.done_writing()
        reader.read()
        writer.close()
        found = read(client, query)
        # Before a value is bound, nobody knows that it is not NULL.
        assert (found.schema.names, found.schema.types) == (columns.names, columns.types)
        assert found["n"].to_pylist() == [value + 1, value + 2]
    request = sql.ActionClosePreparedStatementRequest(prepared_statement_handle=made.prepared_statement_handle)
    assert list(client.do_action(flight.Action("ClosePreparedStatement", packed(request)))) == []
    with pytest.raises(pa.ArrowKeyError, match="no prepared statement"):
        client.get_flight_info(query)


def test_actions_are_listed(client: flight.FlightClient) -> None:
    names = {action.type for action in client.list_actions()}
    assert names >= {
        "CreatePreparedStatement",
        "ClosePreparedStatement",
        "CancelFlightInfo",
        "CancelQuery",
        "RenewFlightEndpoint",
        "SetSessionOptions",
        "GetSessionOptions",
        "CloseSession",
    }
    with pytest.raises(pa.ArrowNotImplementedError, match="CreatePreparedStatement"):
        act(client, "NoSuchAction")


def test_flights_are_listed_and_can_be_fetched(client: flight.FlightClient) -> None:
    for info in client.list_flights():
        read(client, info.descriptor)


def test_user_and_password_become_a_token(client: flight.FlightClient) -> None:
    # On loopback everybody is let in; clients that insist on a handshake get one.
    header = client.authenticate_basic_token("anybody", "anything")
    assert header[0] == b"authorization"
    assert header[1].startswith(b"Bearer ")
    options = flight.FlightCallOptions(headers=[header])
    info = client.get_flight_info(statement("SELECT 1 AS one"), options)
    assert client.do_get(info.endpoints[0].ticket, options).read_all().to_pylist() == [{"one": 1}]


class Cookies(flight.ClientMiddlewareFactory):
    """Keeps the cookies that a server sets, and sends them back."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, str] = {}

    def start_call(self, info: Any) -> flight.ClientMiddleware:
        return _Cookies(self.kept)


class _Cookies(flight.ClientMiddleware):
    def __init__(self, kept: dict[str, str]) -> None:
        super().__init__()
        self._kept = kept

    def sending_headers(self) -> dict[str, str]:
        pairs = "; ".join(f"{name}={value}" for name, value in self._kept.items())
        return {"cookie": pairs} if pairs else {}

    def received_headers(self, headers: dict[str, list[str]]) -> None:
        for header in headers.get("set-cookie", []):
            name, value = header.split(";")[0].split("=", 1)
            self._kept[name] = value


def _shown(client: flight.FlightClient) -> str:
    [value] = read(client, statement(f"SHOW {OPTION}"))["value"].to_pylist()
    return str(value)


def test_a_session_goes_with_its_cookie(served: Served, client: flight.FlightClient) -> None:
    before = _shown(client)
    cookies = Cookies()
    with flight.connect(served.uri, middleware=[cookies]) as first:
        assert option_errors(act(first, "SetSessionOptions", set_session_options(**{OPTION: "1234"}))) == {}
        assert list(cookies.kept) == ["arrow_flight_session_id"]
        assert _shown(first) == "1234"
        assert session_options(act(first, "GetSessionOptions"))[OPTION] == "1234"
    with flight.connect(served.uri, middleware=[cookies]) as second:
        assert _shown(second) == "1234"
        # 1: the session is closed.
        assert dict(parts(act(second, "CloseSession"))) == {1: 1}
        assert _shown(second) == before
    assert _shown(client) == before


def test_options_that_are_wrong_are_named_with_the_reason(served: Served) -> None:
    with flight.connect(served.uri, middleware=[Cookies()]) as client:
        wrong = {"no.such": "1", OPTION: "many", "catalog": "elsewhere", "datafusion.runtime.memory_limit": "1G"}
        told = option_errors(act(client, "SetSessionOptions", set_session_options(**wrong)))
        # 1: there is no such option; 2: it does not take the value.
        assert told == {"no.such": 1, OPTION: 2, "catalog": 2, "datafusion.runtime.memory_limit": 1}


def test_a_fetch_is_cancelled_by_its_info(served: Served, client: flight.FlightClient) -> None:
    info = client.get_flight_info(statement(ENDLESS))
    reader = client.do_get(info.endpoints[0].ticket)
    assert reader.read_chunk().data.num_rows > 0
    # 1: it is cancelled.
    assert dict(parts(act(client, "CancelFlightInfo", part(1, info.serialize())))) == {1: 1}
    assert_cancelled(reader)
    assert eventually(lambda: not served.running(), 2)
    again = act(client, "CancelFlightInfo", part(1, info.serialize()))
    assert dict(parts(again)) != {1: 1}


def test_a_query_is_cancelled_as_older_clients_do(served: Served, client: flight.FlightClient) -> None:
    info = client.get_flight_info(statement(ENDLESS))
    reader = client.do_get(info.endpoints[0].ticket)
    assert reader.read_chunk().data.num_rows > 0
    told = unpacked(
        act(client, "CancelQuery", packed(sql.ActionCancelQueryRequest(info=info.serialize()))), sql.ActionCancelQueryResult()
    )
    assert told.result == sql.ActionCancelQueryResult.CANCEL_RESULT_CANCELLED
    assert_cancelled(reader)
    assert eventually(lambda: not served.running(), 2)


def test_the_ticket_of_an_endpoint_is_renewed(client: flight.FlightClient) -> None:
    info = client.get_flight_info(statement("SELECT 1 AS one"))
    [endpoint] = info.endpoints
    assert endpoint.expiration_time is not None
    renewed = flight.FlightEndpoint.deserialize(act(client, "RenewFlightEndpoint", part(1, endpoint.serialize())))
    assert renewed.expiration_time.as_py() >= endpoint.expiration_time.as_py()
    assert client.do_get(renewed.ticket).read_all().to_pylist() == [{"one": 1}]


@pytest.mark.parametrize("ticket", [b"", b"\x00", b"SELECT 1", b"\xff" * 1000])
def test_a_ticket_that_nobody_signed_is_refused(client: flight.FlightClient, ticket: bytes) -> None:
    with pytest.raises(pa.ArrowInvalid, match="ticket"):
        client.do_get(flight.Ticket(ticket)).read_all()


def test_a_ticket_that_was_changed_is_refused(client: flight.FlightClient) -> None:
    ticket = bytearray(client.get_flight_info(statement("SELECT 1")).endpoints[0].ticket.ticket)
    for at in range(0, len(ticket), 7):
        forged = bytearray(ticket)
        forged[at] ^= 1
        with pytest.raises((pa.ArrowException, flight.FlightError)):
            client.do_get(flight.Ticket(bytes(forged))).read_all()
    with pytest.raises((pa.ArrowException, flight.FlightError)):
        client.do_get(flight.Ticket(bytes(ticket[:-1]))).read_all()


@pytest.mark.parametrize("garbage", [b"", b"\x00\x01", b"\xff" * 100, packed(sql.CommandStatementQuery(query=""))])
def test_a_command_that_makes_no_sense_is_refused(client: flight.FlightClient, garbage: bytes) -> None:
    with pytest.raises((pa.ArrowInvalid, pa.ArrowNotImplementedError)):
        client.get_flight_info(flight.FlightDescriptor.for_command(garbage))


def test_an_error_says_what_and_where(client: flight.FlightClient) -> None:
    with pytest.raises(pa.ArrowInvalid, match="did you mean v_gene") as raised:
        client.get_flight_info(statement("SELECT v_gen FROM chains"))
    assert "line 1, column 8" in str(raised.value)
