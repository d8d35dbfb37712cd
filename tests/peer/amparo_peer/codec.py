"""PROTOCOL.md 1: messages in their one canonical form, over descriptors that protoc makes."""

import hashlib
import pathlib
import subprocess
import tempfile
import types
from collections.abc import Iterator
from typing import TypeVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto"
FILES = ("record", "ledger", "referral", "exchange")
DEPTH_MAX = 8
VARINT, BYTES = 0, 2

M = TypeVar("M", bound=Message)


class NotCanonical(ValueError):
    """These bytes are not what PROTOCOL.md 1 would have written."""


def load(*stems: str) -> types.SimpleNamespace:
    """Every message class and every enum value of these files of amparo.v1, by its own name."""
    names = [f"amparo/v1/{stem}.proto" for stem in stems]
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "descriptors"
        subprocess.run(["protoc", f"-I{PROTO}", f"--descriptor_set_out={out}", *names],
                       check=True, timeout=60)
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    # The set is not sorted by who imports whom: add what is ready until all are in.
    waiting = list(files.file)
    added: set[str] = set()
    while waiting:
        file = next(f for f in waiting if set(f.dependency) <= added)
        waiting.remove(file)
        pool.Add(file)
        added.add(file.name)
    factory = message_factory.MessageFactory(pool)
    found = types.SimpleNamespace()
    for file in map(pool.FindFileByName, names):
        for name, message in file.message_types_by_name.items():
            setattr(found, name, factory.GetPrototype(message))
        for enum in file.enum_types_by_name.values():
            for value in enum.values:
                setattr(found, value.name, value.number)
    return found


pb = load(*FILES)


def code(enum_field: FieldDescriptor, number: int) -> str:
    """A code as people write it: SEX_NOT_KNOWN of Sex is "not-known" (record.proto)."""
    enum = enum_field.enum_type
    prefix = "".join("_" + c if c.isupper() else c.upper() for c in enum.name).lstrip("_").upper()
    return enum.values_by_number[number].name.removeprefix(prefix + "_").lower().replace("_", "-")


def H(*parts: bytes) -> bytes:
    """SHA-256 over the parts, one after the other."""
    return hashlib.sha256(b"".join(parts)).digest()


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    """One field with its tag: a varint, or length and bytes."""
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    return varint(number << 3 | BYTES) + varint(len(value)) + value


def fields(values: dict[int, int | bytes | None]) -> bytes:
    """Fields in ascending order; None is absent. Says what a schema would not (hostile entries)."""
    return b"".join(field(n, v) for n, v in sorted(values.items()) if v is not None)


def _take_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    start = at
    while True:
        if at >= len(data) or at - start == 10:
            raise NotCanonical("varint runs out")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    if data[start:at] != varint(value) or value >= 1 << 64:
        raise NotCanonical("varint is not of the shortest form")
    return value, at


def walk(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of one message, one level deep: (number, value)."""
    at = 0
    while at < len(data):
        tag, at = _take_varint(data, at)
        value, at = _take_varint(data, at)
        if tag & 7 == BYTES:
            if value > len(data) - at:
                raise NotCanonical("length reaches over the end")
            yield tag >> 3, data[at:at + value]
            at += value
        elif tag & 7 == VARINT:
            yield tag >> 3, value
        else:
            raise NotCanonical(f"wire type {tag & 7}")


def check_text(data: bytes) -> None:
    """Strict text, PROTOCOL.md 1 rule 5."""
    try:
        text = data.decode("utf-8", "strict")
    except UnicodeDecodeError as e:
        raise NotCanonical("no UTF-8") from e
    for c in map(ord, text):
        if (c <= 0x1F or 0x7F <= c <= 0x9F or 0x2028 <= c <= 0x202E or 0x2066 <= c <= 0x2069
                or 0xFDD0 <= c <= 0xFDEF or c & 0xFFFE == 0xFFFE):
            raise NotCanonical(f"U+{c:04X} in a text")


def _check_number(value: int, desc: FieldDescriptor) -> None:
    if desc.type == desc.TYPE_BOOL:
        fits = value <= 1
    elif desc.type == desc.TYPE_UINT32:
        fits = value < 1 << 32
    elif desc.type == desc.TYPE_UINT64:
        fits = True
    elif desc.type == desc.TYPE_ENUM:
        fits = value in desc.enum_type.values_by_number
    else:
        raise NotCanonical(f"{desc.name}: no integer")
    if not fits:
        raise NotCanonical(f"{desc.name}: {value} is no value of it")


def check(data: bytes, message: Descriptor, depth: int = 1) -> None:
    """Raise NotCanonical unless `data` is the canonical form of a `message`."""
    if depth > DEPTH_MAX:
        raise NotCanonical("nested too deep")
    before = 0
    for number, value in walk(data):
        desc = message.fields_by_number.get(number)
        if desc is None:
            raise NotCanonical(f"{message.name}: unknown field {number}")
        if number < before or number == before and desc.label != desc.LABEL_REPEATED:
            raise NotCanonical(f"{desc.name}: out of order or twice")
        before = number
        if isinstance(value, int):
            _check_number(value, desc)
        elif desc.type == desc.TYPE_MESSAGE:
            check(value, desc.message_type, depth + 1)
        elif desc.type == desc.TYPE_STRING:
            check_text(value)
        elif desc.type != desc.TYPE_BYTES:
            raise NotCanonical(f"{desc.name}: bytes for an integer")


def decode(kind: type[M], data: bytes) -> M:
    """Decode what is canonical, or raise NotCanonical."""
    check(data, kind.DESCRIPTOR)
    message = kind.FromString(data)
    if encode(message) != data:
        raise NotCanonical(f"{kind.DESCRIPTOR.name}: another encoding of the same")
    return message


def encode(message: Message) -> bytes:
    """The canonical form: what the library writes when nothing unknown is in the message."""
    return message.SerializeToString(deterministic=True)


def hashes(data: bytes) -> list[bytes]:
    """A list of hashes is one bytes field of n x 32 bytes (PROTOCOL.md 2.1)."""
    if len(data) % 32:
        raise NotCanonical("no list of hashes")
    return [data[i:i + 32] for i in range(0, len(data), 32)]
