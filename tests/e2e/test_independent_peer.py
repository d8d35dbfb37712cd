"""The whole way of a referral between amparod and the independent peer, in both directions."""

from amparo_peer import codec, merkle, note
from amparo_peer.codec import pb
from amparo_peer.judge import ACCEPTED
from independent_peer import (PEER, PURPOSE, REFUSED, VICTIM, Meeting, a_child,  # noqa: F401
                              find_federation, make_dialled, make_meeting, receive_a_referral)


def send_a_referral(meeting: Meeting) -> None:
    """The peer sends; the node takes it, its caseworker accepts, and the second stage is taken."""
    peer, node = meeting.peer, meeting.node
    written, case = peer.refer(peer.seal(a_child()), meeting.agreed, PURPOSE)
    assert meeting.deliver(written) is None
    arrived, = meeting.incoming()
    assert arrived["id"] == written.leaf.hex()

    node.json("referral", "accept", arrived["id"])
    meeting.until(lambda: case.state == ACCEPTED)
    assert meeting.deliver(peer.supplement(case, meeting.agreed)) is None
    shown = node.amparo("--json", "referral", "show", arrived["id"], "--content", "--reason",
                        "test").stdout
    assert "Жанна" in shown and "Chci domů." not in shown


def send_a_surplus_field(meeting: Meeting) -> None:
    """An opening that no rule allows: refused, and nothing of it is kept."""
    before = meeting.incoming()
    peer = meeting.peer
    written, _ = peer.refer(peer.seal(a_child()), meeting.agreed, PURPOSE, surplus=("views.wants",))
    assert meeting.deliver(written) == (REFUSED, pb.REFUSAL_REASON_SURPLUS_FIELD)
    assert meeting.incoming() == before


def walk_the_whole_way(meeting: Meeting) -> None:
    meeting.agree()
    adopted, = meeting.node.json("agreement", "list")
    assert adopted["state"] == "in-force" and adopted["id"] == meeting.agreed.digest.hex()
    receive_a_referral(meeting)
    send_a_referral(meeting)
    send_a_surplus_field(meeting)
    for words in (("audit", "verify"), ("audit", "reconcile", f"spiffe://{PEER}")):
        result, = meeting.beside(*words)
        assert result["ok"] is True, result
    log = meeting.node.log()
    for personal in ("Жанна", "domů", "Selam", "ሰላም", "Senafe", "SYNTHETIC"):
        assert personal not in log


def test_the_whole_way_dialling(meeting):
    walk_the_whole_way(meeting)
    meeting.is_still_served()


def test_the_whole_way_dialled(dialled):
    walk_the_whole_way(dialled)


def test_seal_key_is_pinned_and_shown(meeting):
    """Both ends show the same fingerprint of each key, for the people who compare."""
    key = meeting.peer.identity.seal_key.public_key()
    row, = meeting.node.json("peer", "list")
    assert row["fingerprint"] == note.fingerprint(key)
    pinned = meeting.peer.books.held.key
    status, = meeting.node.json("status")
    assert status["fingerprint"] == note.fingerprint(pinned)


def test_nothing_is_lost_over_a_restart(meeting):
    """Both go on from their cursors after the node was killed."""
    meeting.agree()
    assert meeting.deliver(meeting.plain()) is None
    meeting.node.kill()
    written = meeting.plain()
    meeting.node.start()
    meeting.connect()
    assert meeting.deliver(written) is None
    receive_a_referral(meeting)


def test_questions_about_ledgers(meeting):
    """Ask is answered with what our own ledger and what is held of the node's say."""
    meeting.agree()
    peer = meeting.peer
    chain, held = peer.ledger.chain(peer.other).heads, peer.books.held

    def ask(**question):
        number = len(meeting.link.answers)
        meeting.link.session.send(pb.Frame(ask=pb.Ask(id=number, **question)))
        meeting.until(lambda: number in meeting.link.answers)
        return meeting.link.answers[number]

    for side, heads in ((pb.CHAIN_SIDE_MINE, chain), (pb.CHAIN_SIDE_YOURS, held.heads)):
        answer = ask(heads=pb.AskHeads(side=side, k=[1, 999, 0]))
        assert answer.newest_k == len(heads) - 1
        assert [(h.k, h.head) for h in answer.heads if h.k == 1] == [(1, heads[1])]
        assert (answer.newest_k, heads[-1]) in [(h.k, h.head) for h in answer.heads]
        assert all(h.k < len(heads) for h in answer.heads)

    older = held.checkpoint
    meeting.node.json("record", "import", VICTIM)
    meeting.deliver(meeting.plain())
    proof, = ask(consistency=pb.AskConsistency(sizes=[older.size])).proofs
    assert proof.size == older.size < held.size
    merkle.verify_consistency(older.size, held.size, codec.hashes(proof.hashes), older.root,
                              held.checkpoint.root)

    nothing = ask(entries=pb.AskEntries(origin=held.origin, from_k=1))
    assert [desc.name for desc, _ in nothing.ListFields()] == ["id"]


def test_ping_is_answered(meeting):
    meeting.link.session.send(pb.Frame(ping=pb.Ping()))
    assert meeting.link.session.receive(10).ping.reply
