"""amparod meets a peer that shares no code with it: tests/peer/amparo_peer, from PROTOCOL.md alone.

What the two agree on, the document says. The tests stand in test_independent_peer.py (the whole way
of a referral), test_peer_sessions.py and test_peer_items.py (each rule broken).
"""

import json
import pathlib
import socket
import subprocess

import pytest
from amparo_peer import agreement, codec, session
from amparo_peer.codec import pb
from amparo_peer.ledger import Written
from amparo_peer.peer import Link, Peer
from conftest import AMPARO, ROOT, wait_for

NODE, PEER, THIRD = "one.cz.example/office", "two.sk.example/office", "three.at.example/office"
VICTIM = ROOT / "conf/demo/victim-1.json"
PURPOSE = pb.PURPOSE_CHILD_PROTECTION
AGREEMENT = f"""\
agreement: With an independent peer
parties: ["spiffe://{NODE}", "spiffe://{PEER}"]
valid: {{from: 2020-01-01, until: 2099-12-31}}
purposes: [child-protection, family-tracing]
rules:
  - name: outline
    record: VictimRecord
    stage: request
    fields: [derived, origin.preferred_language, routing.text_language]
    consent: not-required
    retention_days: 365
    onward: none
  - name: who the child is
    purposes: [child-protection]
    record: VictimRecord
    stage: accepted
    fields: [identity, description.languages]
    consent: not-required
    retention_days: 365
    onward: none
  - name: the family
    record: VictimRecord
    stage: request
    fields: [family_member]
    consent: required
    retention_days: 365
    onward: none
"""
REFUSED = pb.EXCEPTION_STATUS_REFUSED


class Meeting:
    """A node that runs, the peer, and the session between them."""

    def __init__(self, node, federation: pathlib.Path, listener: socket.socket | None) -> None:
        self.node = node
        self.peer = Peer(federation, f"spiffe://{PEER}", f"spiffe://{NODE}")
        self.listener = listener
        self.file = node.folder / "agreement.yaml"
        self.file.write_text(AGREEMENT, encoding="utf-8")
        self.agreed = agreement.load(self.file.read_bytes())
        self.link = self.connect()

    def open(self) -> session.Session:
        """TLS alone, by whoever dials here."""
        if self.listener:
            return self.peer.take(self.listener, 30)
        return self.peer.dial(("127.0.0.1", self.node.port))

    def connect(self) -> Link:
        """A new session; the old one is closed first."""
        if hasattr(self, "link"):
            self.link.session.close()
        self.link = self.peer.greet(self.open())
        return self.link

    def agree(self) -> "Meeting":
        """Both adopt the agreement."""
        self.node.json("agreement", "adopt", self.file)
        self.peer.adopt(self.agreed)
        self.until(lambda: self.peer.has_agreed(self.agreed))
        return self

    def until(self, condition) -> None:
        self.peer.pump(self.link, condition)

    def deliver(self, written: Written) -> tuple[int, int | None] | None:
        """Until the node receipts this entry; (status, reason) when it made an exception of it."""
        self.until(lambda: self.peer.delivered_k >= written.k)
        return self.peer.outcome(written)

    def plain(self) -> Written:
        """An entry that every node accepts: we adopt an agreement that nobody else knows."""
        return self.peer.write(pb.ENTRY_KIND_ADOPT, pb.Adopt(name="of nobody"), agreement=bytes(32))

    def is_still_served(self) -> None:
        """A new session carries an entry, and the node's own ledger verifies."""
        self.connect()
        assert self.deliver(self.plain()) is None
        assert self.node.json("audit", "verify")[0]["ok"] is True

    def beside(self, *words: str) -> list[dict]:
        """A command that needs the peer's answers while it runs."""
        command = [AMPARO, "--socket", self.node.config["socket"], "--json", *words]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            self.until(lambda: process.poll() is not None)
            out, err = process.communicate()
        assert process.returncode == 0, out + err
        return [json.loads(line) for line in out.splitlines()]

    def incoming(self) -> list[dict]:
        return self.node.json("referral", "list", "--in")


@pytest.fixture(name="federation")
def find_federation(pki):
    return pki.folder


@pytest.fixture(name="meeting")
def make_meeting(one, federation):
    """The peer dials."""
    one.start()
    meeting = Meeting(one, federation, None)
    yield meeting
    meeting.link.session.close()
    assert one.stop() == 0


@pytest.fixture(name="dialled")
def make_dialled(make_node, federation):
    """The node dials."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        node = make_node(NODE)
        node.add_peer(PEER, f"127.0.0.1:{listener.getsockname()[1]}")
        node.init()
        node.start()
        meeting = Meeting(node, federation, listener)
        yield meeting
        meeting.link.session.close()
        assert node.stop() == 0


def a_child():
    child = pb.VictimRecord(derived=pb.Derived(is_minor=True, year_of_birth=2012, as_of_year=2026))
    child.origin.preferred_language = "ukr"
    child.identity.given_names.add(text="Жанна", script="Cyrl", seq=1)
    child.identity.date_of_birth.year = 2012
    child.family_member.add(ref=b"12345678", relation=pb.RELATION_MOTHER, alive=True)
    child.views.wants = "Chci domů."
    return child


def as_json(message) -> dict:
    """A message as record JSON says it, for what a test compares: no bytes, lists sorted."""
    def value(desc, v):
        if desc.type == desc.TYPE_MESSAGE:
            return as_json(v)
        return codec.code(desc, v) if desc.type == desc.TYPE_ENUM else v

    found = {}
    for desc, v in message.ListFields():
        if desc.label == desc.LABEL_REPEATED:
            found[desc.name] = [value(desc, x) for x in v]
        elif desc.type != desc.TYPE_BYTES:
            found[desc.name] = value(desc, v)
    return in_order(found)


def in_order(tree):
    """Lists of a tree sorted: a record's elements have no order of their own."""
    if isinstance(tree, dict):
        return {key: in_order(v) for key, v in tree.items() if key != "ref"}
    if isinstance(tree, list):
        return sorted((in_order(v) for v in tree), key=json.dumps)
    return tree


def receive_a_referral(meeting: Meeting) -> None:
    """The node sends; the peer proves all, accepts, and gets the second stage."""
    peer, node = meeting.peer, meeting.node
    victim = json.loads(VICTIM.read_text(encoding="utf-8"))
    node.json("record", "import", VICTIM)
    imported, = node.json("record", "list")
    node.json("referral", "send", "--record", imported["id"], "--to", f"spiffe://{PEER}",
              "--purpose", "child-protection", "--basis", "consent", "--consent", "guardian",
              "--message", "Prosíme o odpověď.")
    meeting.until(lambda: peer.cases)
    case, = peer.cases
    first = case.view()
    assert case.terms.message == "Prosíme o odpověď."
    assert len(case.manifest.commitments) // 32 >= 64
    assert first.derived.HasField("is_minor")
    seen = as_json(first)
    assert seen["family_member"] == in_order(victim["family_member"])
    assert seen["origin"] == {"preferred_language": victim["origin"]["preferred_language"]}
    assert set(seen) == {"derived", "origin", "routing", "family_member"}
    wait_for(lambda: node.json("referral", "list", "--out")[0]["delivery"] == "received",
             "the referral is delivered")

    peer.answer(case)
    meeting.until(lambda: case.view().HasField("identity"))
    second = as_json(case.view())
    assert second["identity"] == in_order(victim["identity"])
    assert set(second) == {*seen, "identity", "description"}
    assert set(second["description"]) == {"languages"}
    assert not peer.refused
    sent, = node.json("referral", "list", "--out")
    assert sent["state"] == "accepted"
    row, = node.json("peer", "list")
    assert row["n_refused"] == 0 and row["state"] == "connected"
