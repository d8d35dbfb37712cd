"""PROTOCOL.md 7.3 and 7.4: slices, manifests, seals, and what a disclosure opens."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from . import codec, merkle, note
from .codec import H, pb
from .ledger import Ledger, Opening, read_entry

COUNTS = (64, 128, 256, 512, 1024)
RECORD_TYPES = {1: pb.VictimRecord, 2: pb.CaseRecord}
MANIFEST_MAX = 40960


class BadSeal(ValueError):
    """Manifest and seal do not hold."""


class BadSlice(ValueError):
    """An opening without commitment, or a malformed slice."""


@dataclass(frozen=True)
class Unit:
    """One slice with the path of the unit in it."""
    path: str
    numbers: tuple[int, ...]
    is_repeated: bool
    slice: bytes


def commitment(opening: Opening) -> bytes:
    return H(b"amparo/v1/slice\0", opening.salt, opening.slice)


def manifest_digest(manifest: bytes) -> bytes:
    return H(b"amparo/v1/manifest\0", manifest)


def _is_group(desc: FieldDescriptor) -> bool:
    return desc.type == desc.TYPE_MESSAGE and desc.label != desc.LABEL_REPEATED


def cut(record: Message) -> list[Unit]:
    """The slices of a record."""
    return list(_cut(codec.encode(record), record.DESCRIPTOR, (), ()))


def _cut(data: bytes, message: Descriptor, names: tuple[str, ...],
         numbers: tuple[int, ...]) -> Iterator[Unit]:
    for number, value in codec.walk(data):
        desc = message.fields_by_number[number]
        inner, path = names + (desc.name,), numbers + (number,)
        if _is_group(desc):
            yield from _cut(value, desc.message_type, inner, path)
            continue
        piece = codec.field(number, value)
        for parent in reversed(numbers):
            piece = codec.field(parent, piece)
        yield Unit(".".join(inner), path, desc.label == desc.LABEL_REPEATED, piece)


def read_slice(data: bytes, record: Descriptor) -> Unit:
    """A well-formed slice: parents as the schema says, exactly one unit, nothing empty."""
    try:
        codec.check(data, record)
    except codec.NotCanonical as e:
        raise BadSlice(str(e)) from e
    message, rest = record, data
    names: list[str] = []
    numbers: list[int] = []
    while True:
        inside = list(codec.walk(rest))
        if len(inside) != 1:
            raise BadSlice("not exactly one unit")
        number, value = inside[0]
        desc = message.fields_by_number[number]
        names.append(desc.name)
        numbers.append(number)
        if not _is_group(desc):
            break
        message, rest = desc.message_type, value
    _check_not_empty(value, desc)
    return Unit(".".join(names), tuple(numbers), desc.label == desc.LABEL_REPEATED, data)


def _check_not_empty(value: int | bytes, desc: FieldDescriptor) -> None:
    """No message or text is empty, at any depth of an element."""
    if value == b"":
        raise BadSlice(f"{desc.name} is empty")
    if desc.type == desc.TYPE_MESSAGE:
        for number, inner in codec.walk(value):
            _check_not_empty(inner, desc.message_type.fields_by_number[number])


def join(units: Iterable[Unit], record: type[Message]) -> Message:
    """The partial record that these slices make."""
    whole = record()
    for unit in sorted(units, key=lambda u: (u.numbers, u.slice)):
        whole.MergeFromString(unit.slice)
    return codec.decode(record, codec.encode(whole))


# --- manifest and seal --------------------------------------------------------------------------


@dataclass(frozen=True)
class Sealed:
    """An own record: what is known of it here, and what others may be shown."""
    manifest: bytes
    digest: bytes
    seal: Message
    units: dict[bytes, tuple[Unit, Opening]]   # by commitment

    def disclose(self, choose: Callable[[str], bool], *, with_manifest: bool = True
                 ) -> tuple[Message, tuple[Opening, ...]]:
        """A Disclosure of the units whose path is chosen, and the openings beside it."""
        opened = sorted(c for c, (unit, _) in self.units.items() if choose(unit.path))
        disclosure = pb.Disclosure(manifest_digest=self.digest)
        if opened:
            disclosure.opened = b"".join(opened)
        if with_manifest:
            disclosure.manifest = self.manifest
            disclosure.seal.CopyFrom(self.seal)
        return disclosure, tuple(self.units[c][1] for c in opened)


def seal(ledger: Ledger, cuts: Iterable[Unit], record: Descriptor) -> Sealed:
    """Seal the first revision of a record, cut into its units: a SEAL entry in our ledger, proven
    in its newest checkpoint."""
    units = {}
    for unit in cuts:
        opening = Opening(os.urandom(32), unit.slice)
        units[commitment(opening)] = (unit, opening)
    count = next(n for n in COUNTS if n >= len(units))
    decoys = [os.urandom(32) for _ in range(count - len(units))]
    kind = next(n for n, t in RECORD_TYPES.items() if t.DESCRIPTOR is record)
    entry_time = ledger.time_us or 1
    manifest = codec.encode(pb.Manifest(
        record_id=os.urandom(16), revision=1, record_type=kind, schema_version=1,
        originator=ledger.agency, sealed_at_us=entry_time,
        commitments=b"".join(sorted([*units, *decoys]))))
    digest = manifest_digest(manifest)
    written = ledger.append_local(pb.ENTRY_KIND_SEAL, digest)
    proof = merkle.inclusion(ledger.leaves, written.index)
    proven = pb.Seal(entry=written.entry, index=written.index, checkpoint=ledger.note())
    if proof:
        proven.proof = b"".join(proof)
    return Sealed(manifest, digest, proven, units)


def read_manifest(data: bytes) -> Message:
    """A Manifest as PROTOCOL.md 7.4 says."""
    try:
        if len(data) > MANIFEST_MAX:
            raise BadSeal("manifest too long")
        manifest = codec.decode(pb.Manifest, data)
        commitments = codec.hashes(manifest.commitments)
    except codec.NotCanonical as e:
        raise BadSeal(str(e)) from e
    handling = manifest.handling
    holds = (
        len(manifest.record_id) == 16 and manifest.revision >= 1
        and len(manifest.previous) == (32 if manifest.revision > 1 else 0)
        and manifest.record_type in RECORD_TYPES and manifest.schema_version >= 1
        and manifest.originator and manifest.sealed_at_us
        and (manifest.retain_until_us or not manifest.HasField("retain_until_us"))
        and (codec.encode(handling) or not manifest.HasField("handling"))
        and _is_ascending(handling.restrictions)
        and (not handling.HasField("other")
             or pb.RESTRICTION_H3_OTHER in handling.restrictions)
        and len(commitments) in COUNTS and _is_ascending(commitments))
    if not holds:
        raise BadSeal("manifest is not as it should be")
    return manifest


def _is_ascending(values: Iterable) -> bool:
    listed = list(values)
    return all(a < b for a, b in zip(listed, listed[1:]))


def verify_seal(proven: Message, digest: bytes, originator: str, key: Ed25519PublicKey) -> None:
    """That the originator's ledger holds a SEAL entry of this manifest; else BadSeal."""
    try:
        entry = read_entry(proven.entry)
        if entry.kind != pb.ENTRY_KIND_SEAL or entry.body_digest != digest:
            raise BadSeal("the entry does not seal this manifest")
        checkpoint = note.verify(proven.checkpoint, key, originator)
        merkle.verify_inclusion(merkle.leaf_hash(proven.entry), proven.index, checkpoint.size,
                                codec.hashes(proven.proof), checkpoint.root)
    except (codec.NotCanonical, note.BadNote, merkle.BadProof) as e:
        raise BadSeal(str(e)) from e


def open_disclosure(disclosure: Message, openings: Iterable[Opening], manifest: Message
                    ) -> dict[bytes, Unit]:
    """The units that are opened, by commitment; each is proven against the manifest."""
    try:
        opened = codec.hashes(disclosure.opened)
    except codec.NotCanonical as e:
        raise BadSlice(str(e)) from e
    listed = list(openings)
    if len(listed) != len(opened) or not _is_ascending(opened):
        raise BadSlice("openings are not those that the body names")
    committed = set(codec.hashes(manifest.commitments))
    found = {}
    for wanted, opening in zip(opened, listed):
        if len(opening.salt) != 32 or commitment(opening) != wanted or wanted not in committed:
            raise BadSlice("no commitment of this opening")
        found[wanted] = read_slice(opening.slice, RECORD_TYPES[manifest.record_type].DESCRIPTOR)
    return found
