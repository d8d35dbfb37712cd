"""PROTOCOL.md 7, 8 and 11: what a received item means, and why it is refused."""

from collections.abc import Callable
from dataclasses import dataclass, field

from google.protobuf.message import Message

from . import codec, merkle, record
from .agreement import Agreement, Answer
from .batch import BODY_MAX, Held, Proven
from .codec import pb
from .ledger import Ledger, Opening, body_digest, read_entry

REQUESTED = pb.REFERRAL_STATE_REQUESTED
ACCEPTED = pb.REFERRAL_STATE_ACCEPTED
_ANSWERS = {ACCEPTED, pb.REFERRAL_STATE_DECLINED, pb.REFERRAL_STATE_REDIRECTED}
# PROTOCOL.md 7.2: what a STATUS may change, by the referral's receiver and by its sender. Changes
# that cross (section 10) are not made here: this peer waits for its turn.
BY_RECEIVER = {
    REQUESTED: _ANSWERS | {pb.REFERRAL_STATE_NEEDS_INFO},
    pb.REFERRAL_STATE_NEEDS_INFO: _ANSWERS,
    ACCEPTED: {pb.REFERRAL_STATE_IN_PROGRESS, pb.REFERRAL_STATE_COMPLETED},
    pb.REFERRAL_STATE_IN_PROGRESS: {pb.REFERRAL_STATE_ON_HOLD, pb.REFERRAL_STATE_COMPLETED},
    pb.REFERRAL_STATE_ON_HOLD: {pb.REFERRAL_STATE_IN_PROGRESS, pb.REFERRAL_STATE_COMPLETED},
}
BY_SENDER = {
    pb.REFERRAL_STATE_NEEDS_INFO: {REQUESTED},
    pb.REFERRAL_STATE_COMPLETED: {pb.REFERRAL_STATE_CLOSED},
}
FURTHER = {ACCEPTED, pb.REFERRAL_STATE_IN_PROGRESS, pb.REFERRAL_STATE_ON_HOLD,
           pb.REFERRAL_STATE_COMPLETED, pb.REFERRAL_STATE_CLOSED}
BODIES = {pb.ENTRY_KIND_REFERRAL: pb.Referral, pb.ENTRY_KIND_STATUS: pb.Status,
          pb.ENTRY_KIND_SUPPLEMENT: pb.Supplement, pb.ENTRY_KIND_NOTICE: pb.Notice,
          pb.ENTRY_KIND_ADOPT: pb.Adopt, pb.ENTRY_KIND_WITHDRAW: pb.Withdraw,
          pb.ENTRY_KIND_RECEIPT: pb.Receipt}


class Refused(Exception):
    """The position is consumed and refused with this reason."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


class Absent(Exception):
    """No body came."""


@dataclass
class Case:
    """A referral between the two nodes, and of a received one what was opened."""
    leaf: bytes
    is_ours: bool
    purpose: int
    terms: Message
    state: int = REQUESTED
    accepted_k: int = 0                     # where the STATUS of acceptance stands in its chain
    manifest: Message | None = None
    digest: bytes = b""
    sealed: record.Sealed | None = None     # of ours
    units: dict[bytes, record.Unit] = field(default_factory=dict)

    def view(self) -> Message:
        """The record, as far as it is disclosed."""
        assert self.manifest is not None
        return record.join(self.units.values(), record.RECORD_TYPES[self.manifest.record_type])


@dataclass
class Books:
    """What the two chains between the nodes have come to."""
    ledger: Ledger
    held: Held
    agreements: dict[bytes, Agreement]
    cases: dict[bytes, Case] = field(default_factory=dict)
    # (k, digest, is adopted) of both chains
    our_adoptions: list[tuple[int, bytes, bool]] = field(default_factory=list)
    their_adoptions: list[tuple[int, bytes, bool]] = field(default_factory=list)
    delivered_k: int = 0
    # what receipts made exceptions of, by k: status, reason
    exceptions: dict[int, tuple[int, int | None]] = field(default_factory=dict)

    def is_in_force(self, digest: bytes, k: int, seen_k: int) -> bool:
        """PROTOCOL.md 11, for the other side's entry at k."""
        return (_stands(self.their_adoptions, digest, k - 1)
                and _stands(self.our_adoptions, digest, seen_k))

    def take(self, proven: Proven) -> None:
        """Judge one item and let it count; Refused or Absent says that it does not."""
        entry, body = self._read(proven)
        effects: dict[int, Callable[[Proven, Message, Message], None]] = {
            pb.ENTRY_KIND_REFERRAL: self._take_referral,
            pb.ENTRY_KIND_STATUS: self._take_status,
            pb.ENTRY_KIND_SUPPLEMENT: self._take_supplement,
            pb.ENTRY_KIND_NOTICE: lambda *_: None,
            pb.ENTRY_KIND_ADOPT: self._take_adoption,
            pb.ENTRY_KIND_WITHDRAW: self._take_adoption,
            pb.ENTRY_KIND_RECEIPT: self._take_receipt}
        if proven.item.openings and not any(d.name == "record" for d, _ in body.ListFields()):
            raise Refused(pb.REFUSAL_REASON_BAD_SLICE)
        effects[entry.kind](proven, entry, body)

    def _read(self, proven: Proven) -> tuple[Message, Message]:
        """Steps 1 to 4 of PROTOCOL.md 7.2."""
        item, fields = proven.item, dict(codec.walk(proven.item.entry))
        if fields.get(1) != 1:
            raise Refused(pb.REFUSAL_REASON_NEWER_SCHEMA)
        if fields.get(4) not in pb.Entry.DESCRIPTOR.fields_by_name["kind"].enum_type \
                .values_by_number:
            raise Refused(pb.REFUSAL_REASON_UNKNOWN_KIND)
        try:
            entry = read_entry(item.entry)
        except codec.NotCanonical as e:
            raise Refused(pb.REFUSAL_REASON_UNREADABLE) from e
        if entry.addressee != self.held.ours:
            raise Refused(pb.REFUSAL_REASON_WRONG_RECIPIENT)
        if entry.seen_k > len(self.ledger.chain(self.held.agency).heads) - 1:
            raise Refused(pb.REFUSAL_REASON_FALSE_STATEMENT)
        if not item.HasField("body"):
            raise Absent
        if (len(item.body) > BODY_MAX or len(item.body_salt) != 32
                or body_digest(item.body_salt, item.body) != entry.body_digest):
            raise Refused(pb.REFUSAL_REASON_BODY_MISMATCH)
        if entry.kind not in BODIES:
            raise Refused(pb.REFUSAL_REASON_UNSUPPORTED)
        try:
            return entry, codec.decode(BODIES[entry.kind], item.body)
        except codec.NotCanonical as e:
            raise Refused(pb.REFUSAL_REASON_UNREADABLE) from e

    def _case(self, entry: Message) -> Case:
        if entry.answers not in self.cases:
            raise Refused(pb.REFUSAL_REASON_UNKNOWN_REFERENCE)
        return self.cases[entry.answers]

    def _agreement(self, entry: Message) -> Agreement:
        """Step 6: the agreement that an entry rests on."""
        if not (entry.HasField("agreement") and entry.HasField("purpose")):
            raise Refused(pb.REFUSAL_REASON_INCOMPLETE)
        found = self.agreements.get(entry.agreement)
        if (found is None or not self.is_in_force(entry.agreement, entry.k, entry.seen_k)
                or not found.is_valid_at(entry.time_us)
                or not {self.held.agency, self.held.ours} <= set(found.parties)):
            raise Refused(pb.REFUSAL_REASON_NO_AGREEMENT)
        if not found.knows(entry.purpose):
            raise Refused(pb.REFUSAL_REASON_PURPOSE)
        return found

    def _take_referral(self, proven: Proven, entry: Message, body: Message) -> None:
        rests_on = self._agreement(entry)
        stated = all(body.HasField(name) for name in (
            "type", "urgency", "responsibility", "basis", "record"))
        if (not stated or not body.record.HasField("manifest") or not body.record.HasField("seal")
                or body.basis == pb.LEGAL_BASIS_CONSENT and not has_consent(body)
                or body.basis == pb.LEGAL_BASIS_TREATY and not body.basis_name):
            raise Refused(pb.REFUSAL_REASON_INCOMPLETE)
        for name in ("reply_by_us", "expires_us"):
            if body.HasField(name) and getattr(body, name) <= entry.time_us:
                raise Refused(pb.REFUSAL_REASON_EXPIRED)
        case = Case(proven.leaf, False, entry.purpose, body)
        self._disclose(case, body.record, proven, rests_on, "request")
        self.cases[case.leaf] = case

    def _take_supplement(self, proven: Proven, entry: Message, body: Message) -> None:
        case = self._case(entry)
        rests_on = self._agreement(entry)
        if case.is_ours or case.purpose != entry.purpose:
            raise Refused(pb.REFUSAL_REASON_STATE)
        if not body.HasField("record"):
            raise Refused(pb.REFUSAL_REASON_INCOMPLETE)
        if body.record.manifest_digest != case.digest:
            raise Refused(pb.REFUSAL_REASON_UNKNOWN_REFERENCE)
        if case.state not in FURTHER or entry.seen_k < case.accepted_k:
            raise Refused(pb.REFUSAL_REASON_STATE)
        self._disclose(case, body.record, proven, rests_on, "accepted")

    def _disclose(self, case: Case, disclosure: Message, proven: Proven, rests_on: Agreement,
                  stage: str) -> None:
        """PROTOCOL.md 7.3: seal, openings, agreement, and nothing opened twice."""
        try:
            if disclosure.HasField("manifest"):
                case.manifest = record.read_manifest(disclosure.manifest)
                case.digest = record.manifest_digest(disclosure.manifest)
                self._check_seal(case, disclosure)
            openings = [Opening(o.salt, o.slice) for o in proven.item.openings]
            units = record.open_disclosure(disclosure, openings, case.manifest)
        except record.BadSeal as e:
            raise Refused(pb.REFUSAL_REASON_BAD_SEAL) from e
        except record.BadSlice as e:
            raise Refused(pb.REFUSAL_REASON_BAD_SLICE) from e
        kind = record.RECORD_TYPES[case.manifest.record_type].DESCRIPTOR.name
        for unit in units.values():
            answer = rests_on.judge(purpose=case.purpose, record=kind, stage=stage,
                                    consent=has_consent(case.terms), path=unit.path)
            if answer is Answer.NO_CONSENT:
                raise Refused(pb.REFUSAL_REASON_CONSENT)
            if answer is not Answer.ALLOWED:
                raise Refused(pb.REFUSAL_REASON_SURPLUS_FIELD)
        whole = {**case.units, **units}
        paths = [u.path for u in whole.values() if not u.is_repeated]
        changed = any(case.units.get(c, u) != u for c, u in units.items())
        if changed or len(set(paths)) != len(paths):
            raise Refused(pb.REFUSAL_REASON_OPENED_TWICE)
        case.units = whole

    def _check_seal(self, case: Case, disclosure: Message) -> None:
        if (disclosure.manifest_digest != case.digest
                or case.manifest.originator != self.held.agency or disclosure.seal.chain):
            raise record.BadSeal("of another manifest, or shared onward")
        record.verify_seal(disclosure.seal, case.digest, self.held.agency, self.held.key)

    def _take_status(self, proven: Proven, entry: Message, body: Message) -> None:
        case = self._case(entry)
        if body.HasField("state") == body.HasField("opened"):
            raise Refused(pb.REFUSAL_REASON_INCOMPLETE)
        if body.HasField("opened"):
            return
        legal = BY_RECEIVER if case.is_ours else BY_SENDER
        if body.state not in legal.get(case.state, ()):
            raise Refused(pb.REFUSAL_REASON_STATE)
        case.state = body.state
        if body.state == ACCEPTED:
            case.accepted_k = proven.k

    def _take_adoption(self, proven: Proven, entry: Message, _body: Message) -> None:
        is_adopted = entry.kind == pb.ENTRY_KIND_ADOPT
        self.their_adoptions.append((proven.k, entry.agreement, is_adopted))

    def _take_receipt(self, _proven: Proven, _entry: Message, body: Message) -> None:
        """PROTOCOL.md 8, against our own ledger."""
        heads = self.ledger.chain(self.held.agency).heads
        listed = [e.k for e in body.exceptions]
        holds = (
            all(body.HasField(n) for n in ("origin", "size", "root", "from_k", "to_k", "head"))
            and body.origin == self.ledger.origin
            and body.from_k == self.delivered_k + 1 and body.from_k <= body.to_k < len(heads)
            and body.size <= len(self.ledger.leaves)
            and body.root == merkle.root(self.ledger.leaves[:body.size])
            and body.head == heads[body.to_k]
            and listed == sorted(set(listed))
            and all(body.from_k <= k <= body.to_k for k in listed)
            and all(e.HasField("reason") == (e.status == pb.EXCEPTION_STATUS_REFUSED)
                    for e in body.exceptions))
        if not holds:
            raise Refused(pb.REFUSAL_REASON_FALSE_STATEMENT)
        self.delivered_k = body.to_k
        self.exceptions.update({e.k: (e.status, e.reason if e.HasField("reason") else None)
                                for e in body.exceptions})


def has_consent(terms: Message) -> bool:
    """PROTOCOL.md 7.5 "Consent is stated", of a Referral."""
    return (terms.consent.HasField("given_by") and not terms.consent.HasField("withdrawn_at_us")
            or bool(terms.best_interest.reason))


def _stands(adoptions: list[tuple[int, bytes, bool]], digest: bytes, upto_k: int) -> bool:
    found = [is_adopted for k, d, is_adopted in adoptions if d == digest and k <= upto_k]
    return bool(found) and found[-1]
