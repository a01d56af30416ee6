"""Flight SQL messages by hand, for clients that know Flight only; and those that no Python package has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf import any_pb2
from google.protobuf.message import Message
from pyarrow import flight


def packed(message: Message) -> bytes:
    """A message as Flight SQL wraps it."""
    wrapped = any_pb2.Any()
    wrapped.Pack(message)
    return bytes(wrapped.SerializeToString())


def command(message: Message) -> flight.FlightDescriptor:
    """What names a statement or a list of tables."""
    return flight.FlightDescriptor.for_command(packed(message))


def unpacked(body: Any, message: Message) -> Message:
    """The message that an action answered."""
    wrapped = any_pb2.Any()
    wrapped.ParseFromString(bytes(body))
    assert wrapped.Unpack(message), wrapped.type_url
    return message


def _number(value: int) -> bytes:
    """A number as protocol buffers have it, seven bits a byte."""
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def part(tag: int, value: bytes | str) -> bytes:
    """A field of text, bytes or a message."""
    data = value.encode() if isinstance(value, str) else value
    return _number(tag << 3 | 2) + _number(len(data)) + data


def parts(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: bytes of the long ones, the numbers of the others."""

    def number(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 0x80:
                return value, at

    at = 0
    while at < len(data):
        key, at = number(at)
        match key & 7:
            case 0:
                value, at = number(at)
                yield key >> 3, value
            case 1:
                yield key >> 3, data[at : at + 8]
                at += 8
            case 2:
                size, at = number(at)
                yield key >> 3, data[at : at + size]
                at += size
            case other:
                raise ValueError(f"wire type {other}")


def set_session_options(**options: str) -> bytes:
    """`SetSessionOptionsRequest` of texts."""
    return b"".join(part(1, part(1, name) + part(2, part(1, value))) for name, value in options.items())


def session_options(body: bytes) -> dict[str, str]:
    """`GetSessionOptionsResult` of texts."""
    found: dict[str, str] = {}
    for _, entry in parts(body):
        fields = dict(parts(entry))
        found[fields[1].decode()] = dict(parts(fields[2]))[1].decode()
    return found


def option_errors(body: bytes) -> dict[str, int]:
    """`SetSessionOptionsResult`: the reason for each option that was not set."""
    found: dict[str, int] = {}
    for _, entry in parts(body):
        fields = dict(parts(entry))
        found[fields[1].decode()] = dict(parts(fields[2]))[1]
    return found
