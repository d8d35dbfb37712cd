"""The independent peer against the worked bytes of PROTOCOL.md 14 and shared vectors."""

import base64
import json
import os
import pathlib
import random
import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from amparo_peer import agreement, batch, codec, ledger, merkle, note, record, session
from amparo_peer.codec import pb

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("AMPARO_SHARED", ROOT.parent / "shared"))
RFC6962 = SHARED / "vectors" / "rfc6962-merkle"
EPOCH = 1767225600


def count_from(first: int, n: int = 32) -> bytes:
    return bytes(range(first, first + n))


def worked() -> dict[str, bytes | str]:
    """The lines `name = value` of PROTOCOL.md 14."""
    text = (ROOT / "proto" / "PROTOCOL.md").read_text(encoding="utf-8")
    block = re.search(r"```worked\n(.*?)```", text, re.DOTALL)
    assert block
    values: dict[str, bytes | str] = {}
    for line in block[1].splitlines():
        name, value = line.split(" = ", 1)
        values[name] = (value[1:-1].replace("\\n", "\n") if value.startswith('"')
                        else bytes.fromhex(value))
    return values


W = worked()
KEY = Ed25519PrivateKey.from_private_bytes(W["seal_seed"])
PUBLIC = KEY.public_key()
SALT, SLICE_SALT = count_from(0x40), count_from(0x60)


def entries() -> tuple[bytes, bytes]:
    start = codec.encode(pb.Entry(
        version=1, nonce=count_from(0), time_us=EPOCH * 10**6, kind=pb.ENTRY_KIND_START,
        local_digest=ledger.local_digest(count_from(0xA0), b"local part")))
    adopt = codec.encode(pb.Entry(
        version=1, nonce=count_from(0x20), time_us=EPOCH * 10**6 + 1, kind=pb.ENTRY_KIND_ADOPT,
        addressee=W["id_s"], k=1, prev_head=ledger.head_start(W["origin"], W["id_s"]),
        body_digest=ledger.body_digest(SALT, adopt_body()),
        agreement=codec.H(b"agreement: CZ-SK 2026\n"), seen_k=0, local_digest=count_from(0xC0)))
    return start, adopt


def adopt_body() -> bytes:
    return codec.encode(pb.Adopt(name="CZ-SK 2026"))


def make_ledger() -> ledger.Ledger:
    """Z's ledger of the document, with its own nonces and times."""
    z = ledger.Ledger(W["id_z"], KEY, EPOCH)
    start, adopt = entries()
    chain = z.chain(W["id_s"])
    z.leaves = [merkle.leaf_hash(start), merkle.leaf_hash(adopt)]
    chain.heads.append(ledger.head_next(chain.heads[0], 1, z.leaves[1]))
    chain.written.append(ledger.Written(1, pb.ENTRY_KIND_ADOPT, adopt, z.leaves[1], 1,
                                        adopt_body(), SALT))
    return z


def make_manifest() -> bytes:
    opening = ledger.Opening(SLICE_SALT, record_slice())
    decoys = [codec.H(bytes([i])) for i in range(1, 64)]
    return codec.encode(pb.Manifest(
        record_id=count_from(0x80, 16), revision=1, record_type=1, schema_version=1,
        originator=W["id_z"], sealed_at_us=EPOCH * 10**6,
        commitments=b"".join(sorted([record.commitment(opening), *decoys]))))


def record_slice() -> bytes:
    unit, = record.cut(pb.VictimRecord(derived=pb.Derived(is_minor=True)))
    return unit.slice


def make_hello() -> bytes:
    hello = pb.Hello(version_min=1, version_max=1, id=W["id_z"], origin=W["origin"],
                     seal_chain=[bytes.fromhex("3000")], my_checkpoint=make_ledger().note(),
                     received_k=0, schema_version=1)
    session.sign_hello(hello, session.DIALLER, b"\xee" * 32, KEY)
    session.verify_hello(hello, session.DIALLER, b"\xee" * 32, PUBLIC)
    with pytest.raises(session.BadIdentity):
        session.verify_hello(hello, session.LISTENER, b"\xee" * 32, PUBLIC)
    return codec.encode(hello)


def make_receipt() -> bytes:
    z = make_ledger()
    top = z.checkpoint()
    return codec.encode(pb.Receipt(origin=z.origin, size=2, root=top.root, from_k=1, to_k=1,
                                   head=z.chain(W["id_s"]).heads[1]))


def make_tlog_proof() -> str:
    z = make_ledger()
    proof = "".join(base64.b64encode(h).decode() + "\n" for h in merkle.inclusion(z.leaves, 1))
    return f"c2sp.org/tlog-proof@v1\nindex 1\n{proof}\n{z.note().decode()}"


def ping_on_the_wire() -> bytes:
    frame = codec.encode(pb.Frame(ping=pb.Ping()))
    return len(frame).to_bytes(4, "big") + frame


MADE = {
    "seal_seed": lambda: KEY.private_bytes_raw() if hasattr(KEY, "private_bytes_raw")
    else W["seal_seed"],
    "seal_public_key": lambda: note.raw_key(PUBLIC),
    "seal_fingerprint": lambda: bytes.fromhex(note.fingerprint(PUBLIC)),
    "id_z": lambda: note.agency_of(W["origin"]),
    "id_s": lambda: "spiffe://" + session.trust_domain(W["id_s"]) + "/cipc",
    "origin": lambda: make_ledger().origin,
    "key_id": lambda: note.key_id(W["origin"], PUBLIC),
    "local_digest": lambda: ledger.local_digest(count_from(0xA0), b"local part"),
    "start_entry": lambda: entries()[0],
    "start_leaf": lambda: merkle.leaf_hash(entries()[0]),
    "head_0": lambda: ledger.head_start(W["origin"], W["id_s"]),
    "adopt_body": adopt_body,
    "body_salt": lambda: SALT,
    "body_digest": lambda: ledger.body_digest(SALT, adopt_body()),
    "agreement_digest": lambda: codec.H(b"agreement: CZ-SK 2026\n"),
    "adopt_entry": lambda: entries()[1],
    "adopt_leaf": lambda: merkle.leaf_hash(entries()[1]),
    "head_1": lambda: make_ledger().chain(W["id_s"]).heads[1],
    "empty_root": lambda: merkle.root([]),
    "root": lambda: make_ledger().checkpoint().root,
    "checkpoint_text": lambda: make_ledger().checkpoint().text,
    "checkpoint_note": lambda: make_ledger().note().decode(),
    "tlog_proof": make_tlog_proof,
    "slice": record_slice,
    "slice_salt": lambda: SLICE_SALT,
    "commitment": lambda: record.commitment(ledger.Opening(SLICE_SALT, record_slice())),
    "manifest": make_manifest,
    "manifest_digest": lambda: record.manifest_digest(make_manifest()),
    "hello": make_hello,
    "hello_digest": lambda: codec.H(make_hello()[:-session.SIGNATURE_BYTES]),
    "hello_signed": lambda: session.hello_signed(
        session.DIALLER, b"\xee" * 32, make_hello()[:-session.SIGNATURE_BYTES]),
    "batch": lambda: codec.encode(pb.Frame(batch=batch.make(
        make_ledger(), make_ledger().chain(W["id_s"]).written, 0))),
    "batch_that_proves": lambda: codec.encode(pb.Frame(batch=batch.make(
        make_ledger(), [], 2, [1, 2]))),
    "receipt_body": make_receipt,
    "ping_on_the_wire": ping_on_the_wire,
}


def test_every_worked_value_is_known():
    assert list(MADE) == list(W)


@pytest.mark.parametrize("name", MADE)
def test_worked_value(name):
    assert MADE[name]() == W[name]


def test_worked_batch_is_accepted():
    held = batch.Held(W["id_z"], W["origin"], PUBLIC, W["id_s"])
    frame = codec.decode(pb.Frame, W["batch"])
    checked = batch.verify(frame.batch, held)
    assert [p.leaf for p in checked.new] == [W["adopt_leaf"]]
    assert checked.new[0].head == W["head_1"]
    assert ledger.read_entry(checked.new[0].item.entry).kind == pb.ENTRY_KIND_ADOPT


@pytest.mark.parametrize("kind, name", (
    (pb.Frame, "batch"), (pb.Hello, "hello"), (pb.Entry, "adopt_entry"),
    (pb.Manifest, "manifest"), (pb.Receipt, "receipt_body")))
def test_one_byte_more_less_or_other(kind, name):
    """Of a canonical message, every change of a byte is refused or is another message."""
    good = W[name]
    meant = codec.decode(kind, good)
    rng = random.Random(2)
    for at in range(min(len(good), 300)):
        changes = (good[:at] + good[at + 1:], good[:at] + bytes([rng.randrange(256)]) + good[at:],
                   good[:at] + bytes([good[at] ^ 1 << rng.randrange(8)]) + good[at + 1:])
        for changed in changes:
            try:
                assert changed == good or codec.decode(kind, changed) != meant
            except codec.NotCanonical:
                pass


@pytest.mark.parametrize("text, ok", (
    ("žluťoučký Жанна 🙂", True), ("", True), ("a\tb", False), ("a\x00", False), ("\x85", False),
    ("\u2028", False), ("\u202e", False), ("\u2066", False), ("\u200d", True),
    ("\ufdd0", False), ("\U0001fffe", False), ("\ufeff", True)))
def test_strict_text(text, ok):
    data = codec.field(1, text.encode())
    if ok:
        assert codec.decode(pb.Adopt, data).name == text
    else:
        with pytest.raises(codec.NotCanonical):
            codec.decode(pb.Adopt, data)


@pytest.mark.parametrize("data", (
    "0a018080", "0a02c0af", "0a03eda080", "0a0161" "0a0162", "8a000161", "0a8100" "61", "1001",
    "0b0c", "12", "0a0261"))
def test_not_canonical(data):
    with pytest.raises(codec.NotCanonical):
        codec.decode(pb.Adopt, bytes.fromhex(data))


@pytest.fixture(name="vectors")
def find_vectors():
    if not RFC6962.is_dir():
        pytest.skip(f"no shared vectors at {SHARED}: set AMPARO_SHARED")
    return RFC6962


def test_rfc6962_roots(vectors):
    known = json.loads((vectors / "rfc6962_roots.json").read_text())
    leaves = [merkle.leaf_hash(bytes.fromhex(x)) for x in known["leaf_inputs_hex"]]
    roots = [merkle.root(leaves[:n]).hex() for n in range(len(leaves) + 1)]
    assert roots == known["root_by_size_hex"]


def holds(check, *values) -> bool:
    try:
        check(*values)
    except merkle.BadProof:
        return False
    return True


def probes(folder):
    found = sorted(folder.rglob("*.json"))
    assert found
    return [json.loads(path.read_text()) for path in found]


def hash_list(values):
    return [base64.b64decode(v) for v in values or ()]


def test_rfc6962_inclusion(vectors):
    for p in probes(vectors / "inclusion"):
        good = holds(merkle.verify_inclusion, base64.b64decode(p["leafHash"] or ""), p["leafIdx"],
                     p["treeSize"], hash_list(p["proof"]), base64.b64decode(p["root"] or ""))
        assert good != p["wantErr"], p["desc"]


def test_own_proofs_and_rebuild():
    """Every proof that is made verifies, and with one hash changed it does not."""
    rng = random.Random(7)
    for n in range(1, 40):
        leaves = [merkle.leaf_hash(bytes([i])) for i in range(n)]
        top = merkle.root(leaves)
        for i in range(n):
            proof = merkle.inclusion(leaves, i)
            merkle.verify_inclusion(leaves[i], i, n, proof, top)
            assert not holds(merkle.verify_inclusion, leaves[i - 1] if n > 1 else b"x" * 32, i, n,
                             proof, top)
        for m in range(1, n + 1):
            proof = merkle.consistency(leaves, m)
            merkle.verify_consistency(m, n, proof, merkle.root(leaves[:m]), top)
            assert not holds(merkle.verify_consistency, m, n, proof, b"x" * 32, top)
        chosen = sorted(rng.sample(range(n), rng.randint(1, n)))
        nodes = merkle.make_nodes(leaves, chosen)
        items = {i: leaves[i] for i in chosen}
        assert merkle.rebuild(n, items, nodes) == top
        with pytest.raises(merkle.BadProof):
            merkle.rebuild(n, items, [*nodes, top])


def test_record_is_cut_opened_and_joined():
    child = pb.VictimRecord(derived=pb.Derived(is_minor=True), views=pb.Views(wants="Chci domů."))
    child.identity.given_names.add(text="Жанна", seq=1)
    child.identity.given_names.add(text="Anna", seq=2)
    child.identity.date_of_birth.year = 2012
    z = ledger.Ledger(W["id_z"], KEY)
    sealed = record.seal(z, record.cut(child), child.DESCRIPTOR)
    manifest = record.read_manifest(sealed.manifest)
    record.verify_seal(sealed.seal, sealed.digest, W["id_z"], PUBLIC)
    with pytest.raises(record.BadSeal):
        record.verify_seal(sealed.seal, W["root"], W["id_z"], PUBLIC)

    disclosure, openings = sealed.disclose(lambda path: path.startswith("identity."))
    units = record.open_disclosure(disclosure, openings, manifest)
    seen = record.join(units.values(), pb.VictimRecord)
    assert {n.text for n in seen.identity.given_names} == {"Жанна", "Anna"}
    assert not seen.HasField("derived") and not seen.HasField("views")
    with pytest.raises(record.BadSlice):
        record.open_disclosure(disclosure, openings[::-1], manifest)
    with pytest.raises(record.BadSlice):
        record.open_disclosure(disclosure, openings[1:], manifest)


@pytest.mark.parametrize("data", (
    "", "7a00", "7a0410011001", "7a021002", "1200", "12020a00", "0a030a0161" "7a021001"))
def test_bad_slice(data):
    with pytest.raises(record.BadSlice):
        record.read_slice(bytes.fromhex(data), pb.VictimRecord.DESCRIPTOR)


@pytest.mark.parametrize("purpose, stage, consent, path, answer", (
    (1, "request", False, "derived.is_minor", "ALLOWED"),
    (1, "request", False, "identity.given_names", "NOT_YET"),
    (2, "request", False, "identity.given_names", "ALLOWED"),
    (1, "accepted", False, "identity.given_names", "ALLOWED"),
    (1, "accepted", False, "family_member", "NO_CONSENT"),
    (1, "accepted", True, "family_member", "ALLOWED"),
    (1, "request", False, "family_member", "NO_CONSENT"),
    (1, "accepted", True, "safety.safe_contact.phone", "ALLOWED"),
    (1, "accepted", True, "safety.withhold_from", "NO_RULE"),
    (1, "accepted", True, "origin.ethnicity", "NO_RULE")))
def test_evaluator(purpose, stage, consent, path, answer):
    demo = agreement.load((ROOT / "conf/agreements/demo.yaml").read_bytes())
    assert demo.judge(purpose=purpose, record="VictimRecord", stage=stage, consent=consent,
                      path=path).name == answer


def test_agreement_is_read_strictly():
    good = (ROOT / "conf/agreements/demo.yaml").read_bytes()
    for bad in (good + b"agreement: twice\n", good + b"unknown: 1\n",
                good.replace(b"valid: {", b"valid: &a {"),
                good.replace(b"stage: request", b"stage: later")):
        with pytest.raises(agreement.BadAgreement):
            agreement.load(bad)
