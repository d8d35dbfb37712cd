"""Two independent peers with each other, over real TLS: the scenario engine by itself."""

import pathlib
import socket
import subprocess
import threading

import pytest

from amparo_peer import agreement, batch, session
from amparo_peer.codec import pb
from amparo_peer.peer import Link, Peer

ROOT = pathlib.Path(__file__).resolve().parents[2]
Z, S = "spiffe://cz.example/umpod", "spiffe://sk.example/cipc"
PURPOSE = pb.PURPOSE_CHILD_PROTECTION
FILE = f"""\
agreement: Two peers
parties: [{Z}, {S}]
valid: {{from: 2020-01-01, until: 2099-12-31}}
purposes: [child-protection]
rules:
  - {{name: outline, record: VictimRecord, stage: request, fields: [derived],
     consent: not-required, retention_days: 30, onward: none}}
  - {{name: rest, record: VictimRecord, stage: accepted, fields: [identity],
     consent: not-required, retention_days: 30, onward: none}}
"""


def a_child():
    child = pb.VictimRecord(derived=pb.Derived(is_minor=True))
    child.identity.given_names.add(text="Жанна", seq=1)
    child.views.wants = "Chci domů."
    return child


@pytest.fixture(scope="module", name="federation")
def make_federation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pki") / "federation"
    names = [agency.removeprefix("spiffe://") for agency in (Z, S)]
    subprocess.run([ROOT / "certs/make-federation", folder, *names], check=True, timeout=60)
    return folder


class Pair:
    """Z dials, S listens; each step runs both until both conditions hold."""

    def __init__(self, federation: pathlib.Path) -> None:
        self.z, self.s = Peer(federation, Z, S), Peer(federation, S, Z)
        self.listener = socket.create_server(("127.0.0.1", 0))
        found: list[Link] = []
        thread = self._beside(lambda: found.append(self.s.accept(self.listener, 20)))
        self.z_link = self.z.connect(self.listener.getsockname())
        thread.join(20)
        self.s_link, = found

    @staticmethod
    def _beside(step) -> threading.Thread:
        thread = threading.Thread(target=step, daemon=True)
        thread.start()
        return thread

    def run(self, until_z, until_s) -> None:
        thread = self._beside(lambda: self.s.pump(self.s_link, until_s))
        self.z.pump(self.z_link, until_z)
        thread.join(20)
        assert not thread.is_alive() and until_s()

    def settle(self) -> None:
        """Until each has all of the other's and the receipts of its own, receipts left out."""
        def has_all(peer: Peer, other: Peer) -> bool:
            return peer.received_k >= _last_k(other) and peer.delivered_k >= _last_k(peer)
        self.run(lambda: has_all(self.z, self.s), lambda: has_all(self.s, self.z))

    def close(self) -> None:
        for owner in (self.z_link.session, self.s_link.session, self.listener):
            owner.close()


def _last_k(peer: Peer) -> int:
    """The last position of a peer's chain that holds no receipt."""
    written = peer.ledger.chain(peer.other).written
    return max((w.k for w in written if w.kind != pb.ENTRY_KIND_RECEIPT), default=0)


@pytest.fixture(name="pair")
def make_pair(federation):
    pair = Pair(federation)
    yield pair
    pair.close()


def test_a_referral_in_two_stages(pair):
    agreed = agreement.load(FILE.encode())
    for peer in (pair.z, pair.s):
        peer.adopt(agreed)
    pair.settle()
    assert pair.z.has_agreed(agreed) and pair.s.has_agreed(agreed)

    sent, ours = pair.z.refer(pair.z.seal(a_child()), agreed, PURPOSE)
    pair.settle()
    assert pair.z.outcome(sent) is None
    theirs, = pair.s.cases
    assert {u.path for u in theirs.units.values()} == {"derived.is_minor"}

    pair.s.answer(theirs)
    pair.settle()
    assert ours.state == pb.REFERRAL_STATE_ACCEPTED
    pair.z.supplement(ours, agreed)
    pair.settle()
    assert theirs.view().identity.given_names[0].text == "Жанна"
    assert not theirs.view().HasField("views")


def test_a_surplus_field_is_refused(pair):
    agreed = agreement.load(FILE.encode())
    for peer in (pair.z, pair.s):
        peer.adopt(agreed)
    pair.settle()
    sent, _ = pair.z.refer(pair.z.seal(a_child()), agreed, PURPOSE, surplus=("views.wants",))
    pair.settle()
    assert pair.z.outcome(sent) == (pb.EXCEPTION_STATUS_REFUSED, pb.REFUSAL_REASON_SURPLUS_FIELD)
    assert pair.s.cases == []


def test_resume_after_a_batch_that_does_not_fit(pair):
    pair.z.write(pb.ENTRY_KIND_NOTICE, pb.Notice(code="one"))
    pair.settle()
    again = pair.z_link.frames[-1]
    pair.z_link.session.send(again)
    pair.z.write(pb.ENTRY_KIND_NOTICE, pb.Notice(code="two"))
    pair.settle()
    assert pair.z_link.n_resumed >= 1
    assert pair.s.receipted_k == _last_k(pair.z)


def test_a_false_node_and_a_fork_are_found(pair):
    pair.z.write(pb.ENTRY_KIND_NOTICE, pb.Notice(code="one"))
    pair.settle()
    held = pair.s.books.held
    good = batch.make(pair.z.ledger, pair.z.ledger.chain(S).written, held.size)
    assert batch.verify(good, held).n_known

    bad = batch.make(pair.z.ledger, pair.z.ledger.chain(S).written, held.size)
    bad.nodes = bytes([bad.nodes[0] ^ 1]) + bad.nodes[1:]
    with pytest.raises(batch.SessionFault):
        batch.verify(bad, held)

    fork = pair.z.ledger.copy()
    fork.leaves[0] = b"x" * 32
    with pytest.raises(batch.Incident):
        batch.verify(batch.make(fork, [], held.size), held)


def test_a_stranger_is_turned_away(federation):
    listener = socket.create_server(("127.0.0.1", 0))
    z, other = Peer(federation, Z, Z), Peer(federation, S, Z)
    failed: list[Exception] = []

    def listen() -> None:
        try:
            other.accept(listener, 20)
        except (session.SessionEnded, session.BadIdentity) as e:
            failed.append(e)
    thread = Pair._beside(listen)
    with pytest.raises((session.SessionEnded, session.BadIdentity)):
        z.connect(listener.getsockname())   # Z wants to meet Z, and meets S
    thread.join(20)
    listener.close()
    assert failed
