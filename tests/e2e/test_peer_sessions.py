"""Each rule of a session broken by the independent peer: PROTOCOL.md 9, class SESSION; then forks,
class INCIDENT.
"""

import pytest
from amparo_peer import batch, codec, session
from amparo_peer.codec import pb
from amparo_peer.ledger import Written
from amparo_peer.peer import OTHER_ROLE, Link
from conftest import not_quick, wait_for
from independent_peer import (PEER, THIRD, Meeting, find_federation, make_dialled,  # noqa: F401
                              make_meeting)


def hello_fault(change):
    """Our Hello spoilt after it was signed, or signed anew over something false."""
    def fault(meeting: Meeting) -> session.SessionEnded:
        meeting.link.session.close()
        new = meeting.open()
        link = meeting.peer.greet(new, lambda hello: change(meeting.peer, new, hello))
        return meeting.peer.pump_until_end(link)
    return fault


def _unsealed(_peer, _new, hello):
    hello.signature = bytes(64)


def _over_another_session(peer, new, hello):
    """What a node in the middle could replay."""
    session.sign_hello(hello, new.role, b"\xee" * 32, peer.identity.seal_key)


def _of_the_other_role(peer, new, hello):
    """What the node itself could be sent back."""
    session.sign_hello(hello, OTHER_ROLE[new.role], new.exporter, peer.identity.seal_key)


def _signed_by_the_tls_key_alone(peer, new, hello):
    """Who holds TLS key and certificates, and no seal key."""
    stranger = session.Ed25519PrivateKey.generate()
    session.sign_hello(hello, new.role, new.exporter, stranger)


def _of_another_agency(peer, new, hello):
    other = session.Identity.load(peer.trust.federation, f"spiffe://{THIRD}")
    del hello.seal_chain[:]
    hello.seal_chain.extend(other.seal_chain)
    session.sign_hello(hello, new.role, new.exporter, other.seal_key)


def _cursor_ahead(peer, new, hello):
    hello.received_k, hello.received_head = 99, bytes(32)
    session.sign_hello(hello, new.role, new.exporter, peer.identity.seal_key)


def _another_version(peer, new, hello):
    hello.version_min = hello.version_max = 2
    session.sign_hello(hello, new.role, new.exporter, peer.identity.seal_key)


def before_hello(meeting: Meeting) -> session.SessionEnded:
    """A good batch, before our Hello."""
    peer = meeting.peer
    made = batch.make(peer.ledger, [meeting.plain()], meeting.link.sent_size)
    meeting.link.session.close()
    new = meeting.open()
    assert new.receive(10).HasField("hello")   # a node waits for nothing with its own
    new.send(pb.Frame(batch=made))
    return peer.pump_until_end(Link(new, pb.Hello(), len(peer.ledger.leaves), 0))


def raw_fault(data: bytes):
    """Bytes on a session that stands."""
    def fault(meeting: Meeting) -> session.SessionEnded:
        meeting.link.session.send_raw(data)
        return meeting.peer.pump_until_end(meeting.link)
    return fault


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def batch_fault(spoil, lie=None):
    """A batch with one new entry, spoilt. It is made of a copy of the ledger: nothing of it may
    count, so the true ledger can go on as if it had not been."""
    def fault(meeting: Meeting) -> session.SessionEnded:
        peer, link = meeting.peer, meeting.link
        other = peer.ledger.copy()
        written = other.append(peer.other, pb.ENTRY_KIND_NOTICE, codec.encode(pb.Notice(code="x")),
                               seen_k=peer.received_k, lie=lie)
        made = batch.make(other, [written], link.sent_size)
        spoil(made)
        link.session.send(pb.Frame(batch=made))
        return peer.pump_until_end(link)
    return fault


def flip(name: str):
    def spoil(made):
        value = bytearray(getattr(made, name))
        value[-3] ^= 1
        setattr(made, name, bytes(value))
    return spoil


def _false_index(made):
    made.items[0].index -= 1


def _false_root(made):
    """Signed by nobody: the last line is taken from another text."""
    made.checkpoint = made.checkpoint.replace(b"\n", b"\n1", 1)


def _false_entry(made):
    made.items[0].entry = made.items[0].entry.replace(b"one.cz", b"one.sk", 1)


def false_resume(meeting: Meeting) -> session.SessionEnded:
    meeting.link.session.send(pb.Frame(resume=pb.Resume(size=0, k=1, head=bytes(32))))
    return meeting.peer.pump_until_end(meeting.link)


def ask_fault(**question):
    return raw_fault(framed(codec.encode(pb.Frame(ask=pb.Ask(id=1, **question)))))


HEADS, SIZES = pb.AskHeads(side=pb.CHAIN_SIDE_YOURS, k=[0]), pb.AskConsistency(sizes=[1])
IDENTITY, PROTOCOL, VERSION = (pb.BYE_CODE_IDENTITY, pb.BYE_CODE_PROTOCOL, pb.BYE_CODE_VERSION)
SESSION_FAULTS = {
    "unsealed Hello": (hello_fault(_unsealed), IDENTITY),
    "stolen TLS key": (hello_fault(_signed_by_the_tls_key_alone), IDENTITY),
    "Hello over another session": (hello_fault(_over_another_session), IDENTITY),
    "Hello of the other role": (hello_fault(_of_the_other_role), IDENTITY),
    "seal of another agency": (hello_fault(_of_another_agency), IDENTITY),
    "cursor ahead of its chain": (hello_fault(_cursor_ahead), PROTOCOL),
    "version of tomorrow": (hello_fault(_another_version), VERSION),
    "batch before Hello": (before_hello, PROTOCOL),
    "garbage": (raw_fault(framed(b"\xff" * 100)), PROTOCOL),
    "empty frame": (raw_fault(bytes(4)), None),
    "length over the limit": (raw_fault((1 << 20 | 1).to_bytes(4, "big")), None),
    "length of 4 GiB": (raw_fault(b"\xff" * 4), None),
    "two fields in a frame": (raw_fault(framed(bytes.fromhex("3200" "3a00"))), PROTOCOL),
    "unknown field": (raw_fault(framed(bytes.fromhex("7a00"))), PROTOCOL),
    "a second Hello": (raw_fault(framed(bytes.fromhex("0a00"))), PROTOCOL),
    "bad inclusion": (batch_fault(flip("nodes")), PROTOCOL),
    "bad consistency": (batch_fault(flip("consistency")), PROTOCOL),
    "note that does not verify": (batch_fault(_false_root), PROTOCOL),
    "wrong index": (batch_fault(_false_index), PROTOCOL),
    "entry that was changed": (batch_fault(_false_entry), PROTOCOL),
    "wrong prev_head": (batch_fault(lambda made: None, {7: bytes(32)}), PROTOCOL),
    "no k": (batch_fault(lambda made: None, {6: None}), PROTOCOL),
    "RESUME that does not fit": (false_resume, PROTOCOL),
    "two questions in an Ask": (ask_fault(heads=HEADS, consistency=SIZES), PROTOCOL),
    "Ask for 65 heads": (ask_fault(heads=pb.AskHeads(side=1, k=range(65))), PROTOCOL),
    "Ask for 5 proofs": (ask_fault(consistency=pb.AskConsistency(sizes=[1] * 5)), PROTOCOL),
}


@pytest.mark.parametrize("name", SESSION_FAULTS)
def test_session_fault(meeting, name):
    """The session ends (with its Bye, where frames still have a beginning), nothing is stored, the
    operator is told, and the next session is served."""
    assert meeting.deliver(meeting.plain()) is None
    size = meeting.node.json("status")[0]["size"]
    fault, code = SESSION_FAULTS[name]
    ended = fault(meeting)
    assert (ended.bye.code if ended.bye else None) == code, f"{ended}"
    assert meeting.node.json("status")[0]["size"] == size
    assert len(meeting.node.log_lines(f"warn: .* peer=spiffe://{PEER} ")) == 1
    meeting.is_still_served()


@not_quick
@pytest.mark.parametrize("name", (
    "unsealed Hello", "Hello over another session", "Hello of the other role",
    "batch before Hello", "garbage", "length of 4 GiB", "bad inclusion"))
def test_session_fault_of_who_was_dialled(dialled, name):
    """The dialling side trusts the answer no more; it dials again after a while."""
    test_session_fault(dialled, name)


def test_five_faults_in_a_row_alarm_the_operator(meeting):
    for _ in range(5):
        assert not meeting.node.log_lines(r"amparod-vault: err: .* faults_in_a_row=")
        SESSION_FAULTS["unsealed Hello"][0](meeting)
    assert meeting.node.log_lines(r"amparod-vault: err: .* faults_in_a_row=5")
    meeting.is_still_served()


def test_ten_faults_in_a_row(meeting):
    """They cost sessions, never the node."""
    for _ in range(10):
        raw_fault(framed(b"garbage"))(meeting)
        meeting.connect()
    meeting.is_still_served()


def test_older_sizes_are_proven(meeting):
    """PROTOCOL.md 6.6: what Hello.prove asks for comes at once, and leads to what was shown then."""
    peer = meeting.peer
    assert meeting.deliver(meeting.plain()) is None
    earlier = peer.books.held.checkpoint
    assert meeting.deliver(meeting.plain()) is None
    newer = peer.books.held.checkpoint
    assert 1 < earlier.size < newer.size
    peer.wanted = [earlier.size, newer.size, 1, 10**6]
    meeting.connect()
    meeting.until(lambda: 1 in peer.older)
    assert set(peer.older) == {1, earlier.size, newer.size}
    assert (peer.older[earlier.size], peer.older[newer.size]) == (earlier.root, newer.root)
    peer.wanted = []
    meeting.is_still_served()


def test_too_many_sizes(meeting):
    meeting.peer.wanted = [1, 2, 3, 4, 5]
    meeting.link.session.close()
    ended = meeting.peer.pump_until_end(meeting.peer.greet(meeting.open()))
    assert ended.bye is not None and ended.bye.code == IDENTITY
    meeting.peer.wanted = []
    meeting.is_still_served()


def _another_root(meeting: Meeting) -> None:
    """Our ledger's newest size, signed with another root."""
    fork = meeting.peer.ledger.copy()
    fork.leaves[0] = bytes(32)
    meeting.link.session.send(pb.Frame(batch=batch.make(fork, [], len(fork.leaves))))


def _another_entry(meeting: Meeting) -> None:
    """Position 1 proven once more, in the same tree, with another entry."""
    peer = meeting.peer
    first = peer.ledger.chain(peer.other).written[0]
    entry = codec.decode(pb.Entry, first.entry)
    entry.nonce = bytes(32)
    lie = codec.encode(entry)
    index, leaf = peer.ledger.commit(lie)
    false = Written(index, first.kind, lie, leaf, 1, first.body, first.body_salt)
    peer.send_batch(meeting.link, [false])


@pytest.mark.parametrize("contradict", (_another_root, _another_entry))
def test_signed_contradiction_is_an_incident(meeting, contradict):
    """The link stops until an operator acknowledges, over a restart too; the node goes on."""
    assert meeting.deliver(meeting.plain()) is None
    contradict(meeting)
    ended = meeting.peer.pump_until_end(meeting.link)
    assert ended.bye is not None and ended.bye.code == pb.BYE_CODE_STOPPED

    def is_stopped():
        return meeting.node.json("peer", "list")[0]["state"] == "stopped"
    wait_for(is_stopped, "the link is stopped")
    assert meeting.node.json("audit", "verify")[0]["ok"] is True
    assert meeting.node.stop() == 0
    meeting.node.start()
    assert is_stopped()
    with pytest.raises(session.SessionEnded) as refused:
        meeting.peer.pump_until_end(meeting.connect())
        raise session.SessionEnded("ended after Hello", pb.Bye(code=pb.BYE_CODE_STOPPED))
    assert refused.value.bye is None or refused.value.bye.code == pb.BYE_CODE_STOPPED
