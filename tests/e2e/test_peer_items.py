"""Each rule of an item broken by the independent peer: PROTOCOL.md 9, class ITEM; then replays."""

import pytest
from amparo_peer import agreement, codec, record
from amparo_peer.codec import pb
from amparo_peer.judge import ACCEPTED
from amparo_peer.ledger import Opening, Written
from independent_peer import (AGREEMENT, PURPOSE, REFUSED, THIRD, Meeting, a_child,  # noqa: F401
                              find_federation, make_meeting, receive_a_referral)


def plain_with(lie):
    return lambda meeting: meeting.peer.write(pb.ENTRY_KIND_ADOPT, pb.Adopt(name="of nobody"),
                                              agreement=bytes(32), lie=lie)


def referral_with(spoil=lambda *_: None, **options):
    def item(meeting: Meeting) -> Written:
        peer = meeting.peer
        return peer.refer(peer.seal(a_child()), meeting.agreed, PURPOSE, spoil=spoil, **options)[0]
    return item


def _swap(_terms, openings):
    openings.reverse()


def _drop(_terms, openings):
    openings.pop()


def _empty_slice(_terms, openings):
    openings[0] = Opening(openings[0].salt, b"")


def _other_manifest(terms, _openings):
    terms.record.manifest_digest = bytes(32)


def _unsealed_manifest(terms, _openings):
    """A field of the manifest that the seal does not hold."""
    manifest = record.read_manifest(terms.record.manifest)
    manifest.retain_until_us = 1
    terms.record.manifest = codec.encode(manifest)
    terms.record.manifest_digest = record.manifest_digest(terms.record.manifest)


def _no_seal(terms, _openings):
    terms.record.ClearField("seal")


def _expired(terms, _openings):
    terms.expires_us = 1


def _no_type(terms, _openings):
    terms.ClearField("type")


def opened_twice(meeting: Meeting) -> Written:
    """An originator who sealed two answers to one question."""
    units = record.cut(a_child())
    other = record.cut(pb.VictimRecord(derived=pb.Derived(is_minor=False)))
    sealed = record.seal(meeting.peer.ledger, [*units, *other], pb.VictimRecord.DESCRIPTOR)
    return meeting.peer.refer(sealed, meeting.agreed, PURPOSE)[0]


def no_such_referral(meeting: Meeting) -> Written:
    return meeting.peer.write(pb.ENTRY_KIND_STATUS, pb.Status(state=ACCEPTED), answers=bytes(32))


def accepted_by_its_sender(meeting: Meeting) -> Written:
    written, case = meeting.peer.refer(meeting.peer.seal(a_child()), meeting.agreed, PURPOSE)
    meeting.deliver(written)
    return meeting.peer.answer(case)


def supplement_too_early(meeting: Meeting) -> Written:
    written, case = meeting.peer.refer(meeting.peer.seal(a_child()), meeting.agreed, PURPOSE)
    meeting.deliver(written)
    return meeting.peer.supplement(case, meeting.agreed)


def another_agreement(meeting: Meeting) -> Written:
    """Adopted by nobody."""
    other = agreement.load(AGREEMENT.replace("365", "366").encode())
    return meeting.peer.refer(meeting.peer.seal(a_child()), other, PURPOSE)[0]


def another_purpose(meeting: Meeting) -> Written:
    lax = agreement.load(AGREEMENT.replace("family-tracing]", "missing-child]").encode())
    sealed = meeting.peer.seal(a_child())
    lying = agreement.Agreement(meeting.agreed.digest, lax.name, lax.parties, lax.valid_from,
                                lax.valid_until, lax.purposes, lax.rules)
    return meeting.peer.refer(sealed, lying, pb.PURPOSE_MISSING_CHILD)[0]


def false_receipt(meeting: Meeting) -> Written:
    """About a tree that the node never had."""
    held = meeting.peer.books.held
    return meeting.peer.write(pb.ENTRY_KIND_RECEIPT, pb.Receipt(
        origin=held.origin, size=held.size, root=bytes(32), from_k=meeting.peer.receipted_k + 1,
        to_k=held.received_k, head=held.heads[-1]))


ITEM_FAULTS = {
    "another recipient": (plain_with({5: f"spiffe://{THIRD}".encode()}), "WRONG_RECIPIENT"),
    "unknown kind": (plain_with({4: 31}), "UNKNOWN_KIND"),
    "version of tomorrow": (plain_with({1: 2}), "NEWER_SCHEMA"),
    "unknown field": (plain_with({14: 1}), "UNREADABLE"),
    "short nonce": (plain_with({2: bytes(31)}), "UNREADABLE"),
    "purpose where none belongs": (plain_with({10: 1}), "UNREADABLE"),
    "body with another digest": (plain_with({8: bytes(32)}), "BODY_MISMATCH"),
    "surplus field": (referral_with(surplus=("views.wants",)), "SURPLUS_FIELD"),
    "field of the next stage": (referral_with(surplus=("identity.given_names",)), "SURPLUS_FIELD"),
    "field without consent": (referral_with(surplus=("family_member",)), "CONSENT"),
    "openings swapped": (referral_with(_swap), "BAD_SLICE"),
    "opening left out": (referral_with(_drop), "BAD_SLICE"),
    "empty slice": (referral_with(_empty_slice), "BAD_SLICE"),
    "digest of another manifest": (referral_with(_other_manifest), "BAD_SEAL"),
    "manifest that is not sealed": (referral_with(_unsealed_manifest), "BAD_SEAL"),
    "no seal": (referral_with(_no_seal), "INCOMPLETE"),
    "no type": (referral_with(_no_type), "INCOMPLETE"),
    "expired when written": (referral_with(_expired), "EXPIRED"),
    "opened twice": (opened_twice, "OPENED_TWICE"),
    "no such referral": (no_such_referral, "UNKNOWN_REFERENCE"),
    "accepted by its sender": (accepted_by_its_sender, "STATE"),
    "supplement before acceptance": (supplement_too_early, "STATE"),
    "agreement not in force": (another_agreement, "NO_AGREEMENT"),
    "purpose that is not agreed": (another_purpose, "PURPOSE"),
}


@pytest.mark.parametrize("name", ITEM_FAULTS)
def test_item_fault(meeting, name):
    """The position is consumed and refused with its reason; the session goes on."""
    meeting.agree()
    make, reason = ITEM_FAULTS[name]
    written = make(meeting)
    assert meeting.deliver(written) == (REFUSED, getattr(pb, f"REFUSAL_REASON_{reason}"))
    assert meeting.deliver(meeting.plain()) is None
    meeting.is_still_served()


def test_false_receipt(meeting):
    """Nothing becomes delivered by it; the next receipt says that it was refused."""
    meeting.agree()
    written = false_receipt(meeting)
    assert meeting.deliver(meeting.plain()) is None
    assert meeting.peer.outcome(written) == (REFUSED, pb.REFUSAL_REASON_FALSE_STATEMENT)
    receive_a_referral(meeting)


def test_no_body_is_absent(meeting):
    written = meeting.plain()
    chain = meeting.peer.ledger.chain(meeting.peer.other)
    chain.written[-1] = Written(written.index, written.kind, written.entry, written.leaf, written.k)
    assert meeting.deliver(written) == (pb.EXCEPTION_STATUS_ABSENT, None)
    meeting.is_still_served()


def test_replay_has_no_second_effect(meeting):
    """A recorded batch in the same session, in a later one, and after a restart of the node."""
    meeting.agree()
    written, _ = meeting.peer.refer(meeting.peer.seal(a_child()), meeting.agreed, PURPOSE)
    assert meeting.deliver(written) is None
    recorded = meeting.link.frames[-1]
    before = meeting.incoming()

    def replay() -> None:
        resumed = meeting.link.n_resumed
        meeting.link.session.send(recorded)
        meeting.until(lambda: meeting.link.n_resumed > resumed)
        size = meeting.node.json("status")[0]["size"]
        assert meeting.deliver(meeting.plain()) is None
        assert meeting.incoming() == before
        assert meeting.node.json("status")[0]["size"] == size + 1   # the entry's receipt

    replay()
    meeting.connect()
    replay()
    assert meeting.node.stop() == 0
    meeting.node.start()
    meeting.connect()
    replay()
    meeting.is_still_served()


def test_known_items_have_no_second_effect(meeting):
    """The same items, proven anew in a batch that fits: known, and no receipt for them."""
    meeting.agree()
    written, _ = meeting.peer.refer(meeting.peer.seal(a_child()), meeting.agreed, PURPOSE)
    assert meeting.deliver(written) is None
    before, size = meeting.incoming(), meeting.node.json("status")[0]["size"]
    meeting.peer.send_batch(meeting.link, meeting.peer.ledger.chain(meeting.peer.other).written)
    assert meeting.deliver(meeting.plain()) is None
    assert meeting.incoming() == before
    assert meeting.node.json("status")[0]["size"] == size + 1
    meeting.is_still_served()
