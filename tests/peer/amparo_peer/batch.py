"""PROTOCOL.md 6: making a Batch, and checking one wholly before anything of it counts."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.message import Message

from . import codec, merkle, note
from .codec import pb
from .ledger import Ledger, Written, head_next, head_start

HASHES_MAX, ITEMS_MAX, NODES_MAX, PROOFS_MAX = 63, 256, 16384, 4
ENTRY_MAX, BODY_MAX = 4096, 262144


class SessionFault(Exception):
    """Close, store nothing (PROTOCOL.md 9)."""


class Incident(Exception):
    """Two validly signed statements that contradict each other (PROTOCOL.md 9)."""


class NeedsResume(Exception):
    """The batch does not fit what is held: answer RESUME, drop it (PROTOCOL.md 6.3 step 3)."""


def make(ledger: Ledger, items: Sequence[Written], from_size: int,
         prove: Sequence[int] = ()) -> Message:
    """A Batch with these entries of our ledger, proven in its newest checkpoint."""
    batch = pb.Batch(from_size=from_size, checkpoint=ledger.note())
    proof = merkle.consistency(ledger.leaves, from_size)
    if proof:
        batch.consistency = b"".join(proof)
    for size in prove:
        if 0 < size <= len(ledger.leaves):
            batch.extra_proofs.add(size=size, hashes=b"".join(merkle.prefix(ledger.leaves, size)))
    nodes = merkle.make_nodes(ledger.leaves, [w.index for w in items]) if items else []
    if nodes:
        batch.nodes = b"".join(nodes)
    for written in items:
        item = batch.items.add(index=written.index, entry=written.entry)
        if written.body is not None:
            item.body, item.body_salt = written.body, written.body_salt
            for opening in written.openings:
                item.openings.add(salt=opening.salt, slice=opening.slice)
    return batch


@dataclass
class Held:
    """What is held of the other side's ledger: its pins, newest checkpoint and chain to us."""
    agency: str
    origin: str
    key: Ed25519PublicKey
    ours: str
    checkpoint: note.Checkpoint | None = None
    note: bytes | None = None

    def __post_init__(self) -> None:
        self.heads = [head_start(self.origin, self.ours)]
        self.leaves: dict[int, bytes] = {}

    @property
    def received_k(self) -> int:
        return len(self.heads) - 1

    @property
    def size(self) -> int:
        return self.checkpoint.size if self.checkpoint else 0


@dataclass(frozen=True)
class Proven:
    """An item whose place in tree and chain is proven; what it says is not judged yet."""
    k: int
    leaf: bytes
    head: bytes
    item: Message


@dataclass(frozen=True)
class Checked:
    checkpoint: note.Checkpoint
    new: list[Proven]
    n_known: int


def verify(batch: Message, held: Held) -> Checked:
    """Steps 1 to 7 of PROTOCOL.md 6.3, in their order."""
    if not (batch.HasField("from_size") and batch.HasField("checkpoint")):
        raise SessionFault("from_size or checkpoint is missing")
    try:
        checkpoint = note.verify(batch.checkpoint, held.key, held.agency, held.origin)
    except note.BadNote as e:
        raise SessionFault(str(e)) from e
    if held.checkpoint and checkpoint.size == held.size and checkpoint != held.checkpoint:
        raise Incident("one size, two roots")
    items = [(i, _chain_fields(i)) for i in batch.items]
    if batch.from_size != held.size or items and items[0][1][0] > held.received_k + 1:
        raise NeedsResume
    try:
        _check_consistency(batch, checkpoint, held)
        proven = _check_chain(items, held)
        _check_inclusion(batch, checkpoint)
    except (merkle.BadProof, codec.NotCanonical) as e:
        raise SessionFault(str(e)) from e
    for p in proven:
        if p.k <= held.received_k and held.leaves[p.k] != p.leaf:
            raise Incident("one k, two entries")
    new = [p for p in proven if p.k > held.received_k]
    return Checked(checkpoint, new, len(proven) - len(new))


def older_roots(batch: Message, checkpoint: note.Checkpoint) -> dict[int, bytes]:
    """Of each older size that a batch proves, the root that the sender's ledger had there."""
    try:
        return {p.size: merkle.prefix_root(p.size, checkpoint.size, codec.hashes(p.hashes),
                                           checkpoint.root) for p in batch.extra_proofs}
    except merkle.BadProof as e:
        raise SessionFault(str(e)) from e


def _chain_fields(item: Message) -> tuple[int, bytes]:
    """(k, prev_head) of an item's entry, read leniently: step 5 judges the place alone."""
    found: dict[int, int | bytes] = {}
    try:
        found.update(codec.walk(item.entry))
    except codec.NotCanonical as e:
        raise SessionFault("entry does not parse") from e
    k, prev_head = found.get(6), found.get(7)
    if not (item.HasField("index") and 0 < len(item.entry) <= ENTRY_MAX
            and isinstance(k, int) and k > 0 and isinstance(prev_head, bytes)
            and isinstance(found.get(5), bytes)):
        raise SessionFault("item without index, addressee, k or prev_head")
    return k, prev_head


def _check_consistency(batch: Message, checkpoint: note.Checkpoint, held: Held) -> None:
    if len(batch.items) > ITEMS_MAX or len(batch.extra_proofs) > PROOFS_MAX:
        raise SessionFault("too many items or proofs")
    proof = codec.hashes(batch.consistency)
    if len(proof) > HASHES_MAX:
        raise SessionFault("proof too long")
    if held.checkpoint is None or held.size == 0:
        if proof:
            raise SessionFault("a proof from nothing")
    else:
        merkle.verify_consistency(held.size, checkpoint.size, proof, held.checkpoint.root,
                                  checkpoint.root)


def _check_chain(items: list[tuple[Message, tuple[int, bytes]]], held: Held) -> list[Proven]:
    proven: list[Proven] = []
    head = held.heads[-1]
    for i, (item, (k, prev_head)) in enumerate(items):
        if i and (k != proven[-1].k + 1 or item.index <= items[i - 1][0].index):
            raise SessionFault("k not contiguous or index not ascending")
        leaf = merkle.leaf_hash(item.entry)
        if k > held.received_k:
            if prev_head != head:
                raise SessionFault("prev_head is another")
            head = head_next(head, k, leaf)
        proven.append(Proven(k, leaf, head, item))
    return proven


def _check_inclusion(batch: Message, checkpoint: note.Checkpoint) -> None:
    nodes = codec.hashes(batch.nodes)
    if len(nodes) > NODES_MAX:
        raise SessionFault("too many nodes")
    if not batch.items:
        if nodes:
            raise SessionFault("nodes without items")
        return
    leaves = {i.index: merkle.leaf_hash(i.entry) for i in batch.items}
    if merkle.rebuild(checkpoint.size, leaves, nodes) != checkpoint.root:
        raise SessionFault("items are not in this tree")
