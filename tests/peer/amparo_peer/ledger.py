"""PROTOCOL.md 2 to 4: a small ledger of the peer's own, in memory."""

import copy
import os
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from . import codec, merkle, note
from .codec import H, pb

LOCAL_KINDS = 32   # kinds from here on are unaddressed
ENTRY_MAX = 4096


def head_start(origin: str, addressee: str) -> bytes:
    """head[0], PROTOCOL.md 2.1 "chain start"."""
    def text(t: str) -> bytes:
        return len(t.encode()).to_bytes(2, "big") + t.encode()
    return H(b"amparo/v1/chain\0", text(origin), text(addressee))


def head_next(head: bytes, k: int, leaf: bytes) -> bytes:
    """head[k], PROTOCOL.md 2.1 "chain link"."""
    return H(b"amparo/v1/link\0", head, k.to_bytes(8, "big"), leaf)


def body_digest(salt: bytes, body: bytes) -> bytes:
    return H(b"amparo/v1/body\0", salt, body)


def local_digest(salt: bytes, local: bytes) -> bytes:
    return H(b"amparo/v1/local\0", salt, local)


@dataclass(frozen=True)
class Opening:
    """A slice and its salt: what stands beside a body (PROTOCOL.md 7.3)."""
    salt: bytes
    slice: bytes


@dataclass(frozen=True)
class Written:
    """An entry of this ledger with what stands beside it."""
    index: int
    kind: int
    entry: bytes
    leaf: bytes
    k: int = 0
    body: bytes | None = None
    body_salt: bytes | None = None
    openings: tuple[Opening, ...] = ()


@dataclass
class Chain:
    """The entries addressed to one peer; heads[k] is head[k]."""
    heads: list[bytes]
    written: list[Written] = field(default_factory=list)


class Ledger:
    def __init__(self, agency: str, key: Ed25519PrivateKey, epoch: int | None = None) -> None:
        self.agency = agency
        self.key = key
        self.origin = f"{agency.removeprefix('spiffe://')}/{epoch or int(time.time())}"
        self.leaves: list[bytes] = []
        self.chains: dict[str, Chain] = {}
        self.time_us = 0
        self.append_local(pb.ENTRY_KIND_START)

    def copy(self) -> "Ledger":
        """Another ledger that goes its own way from here: for lies that must not become ours."""
        other = copy.copy(self)
        other.leaves = list(self.leaves)
        other.chains = {peer: Chain(list(c.heads), list(c.written))
                        for peer, c in self.chains.items()}
        return other

    def chain(self, peer: str) -> Chain:
        return self.chains.setdefault(peer, Chain([head_start(self.origin, peer)]))

    def checkpoint(self) -> note.Checkpoint:
        return note.Checkpoint(self.origin, len(self.leaves), merkle.root(self.leaves))

    def note(self) -> bytes:
        return note.sign(self.checkpoint(), self.key)

    def _now_us(self) -> int:
        self.time_us = max(self.time_us, time.time_ns() // 1000)
        return self.time_us

    def _common(self, kind: int) -> dict[int, int | bytes | None]:
        """version, nonce, time_us, kind and local_digest stand in every entry (2.2)."""
        return {1: 1, 2: os.urandom(32), 3: self._now_us(), 4: kind, 13: os.urandom(32)}

    def commit(self, entry: bytes) -> tuple[int, bytes]:
        self.leaves.append(merkle.leaf_hash(entry))
        return len(self.leaves) - 1, self.leaves[-1]

    def append_local(self, kind: int, manifest_digest: bytes | None = None) -> Written:
        """An unaddressed entry; a SEAL carries the manifest's digest."""
        entry = codec.fields({**self._common(kind), 8: manifest_digest})
        index, leaf = self.commit(entry)
        return Written(index, kind, entry, leaf)

    def append(self, peer: str, kind: int, body: bytes, *, seen_k: int,
               agreement: bytes | None = None, purpose: int | None = None,
               answers: bytes | None = None, openings: tuple[Opening, ...] = (),
               lie: dict[int, int | bytes | None] | None = None) -> Written:
        """An entry in the chain to `peer`. `lie` overrules single fields by number: a hostile
        node can write whatever it likes, its chain and tree go on from what it wrote."""
        chain = self.chain(peer)
        k, salt = len(chain.heads), os.urandom(32)
        values = {**self._common(kind), 5: peer.encode(), 6: k, 7: chain.heads[-1],
                  8: body_digest(salt, body), 9: agreement, 10: purpose, 11: answers, 12: seen_k,
                  **(lie or {})}
        entry = codec.fields(values)
        index, leaf = self.commit(entry)
        made = Written(index, kind, entry, leaf, k, body, salt, openings)
        chain.heads.append(head_next(chain.heads[-1], k, leaf))
        chain.written.append(made)
        return made


# What PROTOCOL.md 2.2 asks of each kind: body_digest, agreement, purpose, answers.
_R, _O, _NO = "required", "optional", "refused"
_SHAPES = {
    pb.ENTRY_KIND_REFERRAL: (_R, _O, _O, _NO),
    **{kind: (_R, _O, _O, _R) for kind in (
        pb.ENTRY_KIND_STATUS, pb.ENTRY_KIND_SUPPLEMENT, pb.ENTRY_KIND_CORRECTION,
        pb.ENTRY_KIND_RECALL, pb.ENTRY_KIND_RECALL_ANSWER)},
    pb.ENTRY_KIND_NOTICE: (_R, _O, _O, _O),
    **{kind: (_R, _R, _NO, _NO) for kind in (pb.ENTRY_KIND_ADOPT, pb.ENTRY_KIND_WITHDRAW)},
    **{kind: (_R, _NO, _NO, _NO) for kind in (
        pb.ENTRY_KIND_RECEIPT, pb.ENTRY_KIND_KEY, pb.ENTRY_KIND_EPOCH,
        pb.ENTRY_KIND_EPOCH_ACCEPTED)},
    pb.ENTRY_KIND_SEAL: (_R, _NO, _NO, _NO),
}
_DIGESTS = ("nonce", "prev_head", "body_digest", "agreement", "answers", "local_digest")


def read_entry(data: bytes):
    """An Entry, canonical and shaped as PROTOCOL.md 2.2 says; else codec.NotCanonical."""
    if len(data) > ENTRY_MAX:
        raise codec.NotCanonical("entry over 4 KiB")
    entry = codec.decode(pb.Entry, data)

    def want(name: str, rule: str) -> None:
        if rule != _O and entry.HasField(name) != (rule == _R):
            raise codec.NotCanonical(f"{name} of kind {entry.kind}: {rule}")

    for name in ("version", "nonce", "time_us", "kind", "local_digest"):
        want(name, _R)
    for name in ("addressee", "k", "prev_head", "seen_k"):
        want(name, _R if entry.kind < LOCAL_KINDS else _NO)
    shape = _SHAPES.get(entry.kind, (_NO,) * 4)
    for name, rule in zip(("body_digest", "agreement", "purpose", "answers"), shape):
        want(name, rule)
    for name in _DIGESTS:
        if entry.HasField(name) and len(getattr(entry, name)) != 32:
            raise codec.NotCanonical(f"{name} is no digest")
    return entry
