"""PROTOCOL.md 2.1 and 6.2: the tree of RFC 6962 and its proofs, written as RFC 9162 2.1 says."""

from collections.abc import Sequence

from .codec import H


class BadProof(ValueError):
    """This proof does not lead where it says."""


def _check_lengths(*values: bytes) -> None:
    if any(len(v) != 32 for v in values):
        raise BadProof("no hash")


def leaf_hash(entry: bytes) -> bytes:
    return H(b"\0", entry)


def node_hash(left: bytes, right: bytes) -> bytes:
    return H(b"\1", left, right)


def split(n: int) -> int:
    """The largest power of two below n, n > 1."""
    return 1 << (n - 1).bit_length() - 1


def root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return H(b"")
    if len(leaves) == 1:
        return leaves[0]
    s = split(len(leaves))
    return node_hash(root(leaves[:s]), root(leaves[s:]))


def inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """RFC 9162 2.1.3.1: the leaf's sibling first."""
    if len(leaves) <= 1:
        return []
    s = split(len(leaves))
    if index < s:
        return inclusion(leaves[:s], index) + [root(leaves[s:])]
    return inclusion(leaves[s:], index - s) + [root(leaves[:s])]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes],
                     wanted: bytes) -> None:
    """RFC 9162 2.1.3.2."""
    if not 0 <= index < size:
        raise BadProof("index is outside the tree")
    _check_lengths(leaf, wanted, *proof)
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            raise BadProof("too many hashes")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn or r != wanted:
        raise BadProof("leads to another root")


def consistency(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """RFC 9162 2.1.4.1: from the tree of the first `size` leaves to that of all."""
    if size in (0, len(leaves)):
        return []
    return _subproof(size, leaves, True)


def _subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if whole else [root(leaves)]
    s = split(len(leaves))
    if m <= s:
        return _subproof(m, leaves[:s], whole) + [root(leaves[s:])]
    return _subproof(m - s, leaves[s:], False) + [root(leaves[:s])]


def prefix(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """RFC 6962 2.1.2, SUBPROOF(size, leaves, false): it says itself which root was before."""
    return _subproof(size, leaves, False)


def prefix_root(first: int, second: int, proof: Sequence[bytes], second_root: bytes) -> bytes:
    """The root of the first `first` leaves of a tree, by what prefix() made."""
    if not 0 < first <= second:
        raise BadProof("sizes are out of range")
    _check_lengths(second_root, *proof)

    def both(size: int, known: int, path: list[bytes]) -> tuple[bytes, bytes]:
        """Roots of the first `known` of `size` leaves and of all; what path has at its end is up
        here."""
        if not path:
            raise BadProof("too few hashes")
        if known == size:
            if len(path) != 1:
                raise BadProof("too many hashes")
            return path[0], path[0]
        s = split(size)
        if known <= s:
            old, new = both(s, known, path[:-1])
            return old, node_hash(new, path[-1])
        old, new = both(size - s, known - s, path[:-1])
        return node_hash(path[-1], old), node_hash(path[-1], new)

    old, new = both(second, first, list(proof))
    if new != second_root:
        raise BadProof("leads to another root")
    return old


def verify_consistency(first: int, second: int, proof: Sequence[bytes], first_root: bytes,
                       second_root: bytes) -> None:
    """RFC 9162 2.1.4.2, 0 < first <= second; of equal sizes the proof is empty, the roots equal."""
    if not 0 < first <= second:
        raise BadProof("sizes are out of range")
    _check_lengths(first_root, second_root, *proof)
    if first == second:
        if proof or first_root != second_root:
            raise BadProof("one size, two roots")
        return
    path = list(proof)
    if not path:
        raise BadProof("empty")
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            raise BadProof("too many hashes")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    if sn or fr != first_root or sr != second_root:
        raise BadProof("leads to other roots")


def make_nodes(leaves: Sequence[bytes], indices: Sequence[int], lo: int = 0) -> list[bytes]:
    """What rebuild() takes: the root of each range without items, in the order they are met."""
    if not indices:
        return [root(leaves)]
    if len(leaves) == 1:
        return []
    s = split(len(leaves))
    return (make_nodes(leaves[:s], [i for i in indices if i < lo + s], lo)
            + make_nodes(leaves[s:], [i for i in indices if i >= lo + s], lo + s))


def rebuild(size: int, items: dict[int, bytes], nodes: Sequence[bytes]) -> bytes:
    """PROTOCOL.md 6.2: the root from the items' leaves, by index, and nodes."""
    rest = list(nodes)

    def range_root(lo: int, n: int, inside: list[int]) -> bytes:
        if not inside:
            if not rest:
                raise BadProof("nodes run out")
            return rest.pop(0)
        if n == 1:
            return items[inside[0]]
        s = split(n)
        left = range_root(lo, s, [i for i in inside if i < lo + s])
        return node_hash(left, range_root(lo + s, n - s, [i for i in inside if i >= lo + s]))

    indices = sorted(items)
    if not indices or indices[-1] >= size:
        raise BadProof("an index is outside the tree")
    found = range_root(0, size, indices)
    if rest:
        raise BadProof("nodes are left over")
    return found
