"""PROTOCOL.md 4: checkpoints in signed notes (c2sp.org/tlog-checkpoint, c2sp.org/signed-note)."""

import base64
import binascii
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .codec import H, NotCanonical, check_text

NOTE_MAX = 8192
SIGNATURES_MAX = 16
NAME_MAX = 400
_TEXT = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n")
_LINE = re.compile(r"— ([^ +\n]+) ([A-Za-z0-9+/]+={0,2})\n")
_ORIGIN = re.compile(r"([a-z0-9.-]+/[A-Za-z0-9._-]+)/(0|[1-9][0-9]*)")


class BadNote(ValueError):
    """No checkpoint as PROTOCOL.md 4 says, or not signed by whom it should be."""


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def raw_key(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def fingerprint(key: Ed25519PublicKey) -> str:
    """What operators compare: H of the DER SubjectPublicKeyInfo, in hex."""
    return H(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hex()


def key_id(name: str, key: Ed25519PublicKey) -> bytes:
    return H(name.encode(), b"\n\x01", raw_key(key))[:4]


def agency_of(origin: str) -> str:
    """The agency id of an origin `<trust domain>/<agency>/<epoch>`."""
    match = _ORIGIN.fullmatch(origin)
    if not match:
        raise BadNote("no origin")
    return "spiffe://" + match[1]


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> bytes:
    name, text = checkpoint.origin, checkpoint.text
    blob = key_id(name, key.public_key()) + key.sign(text.encode())
    return f"{text}\n— {name} {base64.b64encode(blob).decode()}\n".encode()


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as e:
        raise BadNote("no base64") from e
    if base64.b64encode(data).decode() != text:
        raise BadNote("base64 with stray bits")
    return data


def _decode(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """Text of a note and its signatures (name, blob)."""
    if len(note) > NOTE_MAX:
        raise BadNote("too long")
    try:
        for line in note.split(b"\n"):
            check_text(line)
    except NotCanonical as e:
        raise BadNote(str(e)) from e
    text, gap, tail = note.decode().rpartition("\n\n")
    lines = re.findall(r"[^\n]*\n", tail)
    if not gap or not 1 <= len(lines) <= SIGNATURES_MAX or "".join(lines) != tail:
        raise BadNote("no signed note")
    signatures = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if not match or len(match[1].encode()) > NAME_MAX:
            raise BadNote("no signature line")
        blob = _base64(match[2])
        if len(blob) < 5:
            raise BadNote("signature too short")
        signatures.append((match[1], blob))
    return text + "\n", signatures


def verify(note: bytes, key: Ed25519PublicKey, agency: str,
           origin: str | None = None) -> Checkpoint:
    """A checkpoint of `agency` (and of this origin, when given), signed by `key`; else BadNote."""
    text, signatures = _decode(note)
    match = _TEXT.fullmatch(text)
    if not match:
        raise BadNote("text is not exactly origin, size and root")
    checkpoint = Checkpoint(match[1], int(match[2]), _base64(match[3]))
    if agency_of(checkpoint.origin) != agency or origin not in (None, checkpoint.origin):
        raise BadNote("another origin")
    if checkpoint.size >= 1 << 62 or checkpoint.size == 0 and checkpoint.root != H(b""):
        raise BadNote("no tree has this size and root")
    known = (checkpoint.origin, key_id(checkpoint.origin, key))
    ours = [blob[4:] for name, blob in signatures if (name, blob[:4]) == known]
    if not ours:
        raise BadNote("not signed by this key")
    try:
        for signature in ours:
            key.verify(signature, text.encode())
    except InvalidSignature as e:
        raise BadNote("signature does not verify") from e
    return checkpoint
