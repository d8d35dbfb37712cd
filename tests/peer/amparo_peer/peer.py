"""The peer: two chains, one commit a batch, and what it says of its own accord.

It does what PROTOCOL.md asks of a node, one session at a time, and lets a test do what no honest
node does: `Peer.write(lie=...)`, `Link.session.send_raw()`, `Peer.greet(change=...)`.
"""

import pathlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from google.protobuf.message import Message

from . import batch, codec, merkle, note, record
from .agreement import Agreement, Answer
from .codec import pb
from .judge import ACCEPTED, Absent, Books, Case, Refused, has_consent
from .ledger import Ledger, Opening, Written
from .session import (BadIdentity, Identity, Session, SessionEnded, Trust, sign_hello,
                      verify_hello)

VERSION = SCHEMA = 1
OTHER_ROLE = {1: 2, 2: 1}
LOOK_S = 0.05   # how often pump() looks at its condition while nothing comes


@dataclass
class Link:
    """One session after both Hellos."""
    session: Session
    hello: Message              # the other side's
    sent_k: int                 # of our chain, on this session
    sent_size: int              # of the checkpoint last sent on it
    frames: list[Message] = field(default_factory=list)   # batches as sent
    answers: dict[int, Message] = field(default_factory=dict)
    n_resumed: int = 0


class Peer:
    """One agency's node, with the node `other` as its only peer."""

    def __init__(self, federation: pathlib.Path, agency: str, other: str) -> None:
        self.identity = Identity.load(federation, agency)
        self.trust = Trust(federation)
        self.other = other
        self.ledger = Ledger(agency, self.identity.seal_key)
        self.agreements: dict[bytes, Agreement] = {}
        self.books: Books | None = None     # from the first valid Hello on: then all is pinned
        self.receipted_k = 0
        self.refused: dict[int, int | None] = {}   # what we refused: k, reason (None: ABSENT)
        self.wanted: list[int] = []        # sizes of the other ledger that the next Hello asks for
        self.older: dict[int, bytes] = {}  # roots of older sizes that it proved

    @property
    def delivered_k(self) -> int:
        """Our chain up to here has been receipted."""
        return self.books.delivered_k if self.books else 0

    @property
    def received_k(self) -> int:
        return self.books.held.received_k if self.books else 0

    @property
    def cases(self) -> list[Case]:
        """Referrals between the two, in the order they came about."""
        return list(self.books.cases.values()) if self.books else []

    def outcome(self, written: Written) -> tuple[int, int | None] | None:
        """(status, reason) of the exception that a receipt makes of an entry of ours."""
        assert self.books and self.books.delivered_k >= written.k
        return self.books.exceptions.get(written.k)

    # --- sessions -------------------------------------------------------------------------------

    def connect(self, address: tuple[str, int]) -> Link:
        return self.greet(self.dial(address))

    def dial(self, address: tuple[str, int]) -> Session:
        """TLS alone; greet() goes on."""
        return Session.dial(address, self.identity, self.trust, self.other)

    def accept(self, listener: socket.socket, timeout: float) -> Link:
        return self.greet(self.take(listener, timeout))

    def take(self, listener: socket.socket, timeout: float) -> Session:
        """TLS alone, as listener; greet() goes on."""
        return Session.accept(listener, self.identity, self.trust, self.other, timeout)

    def hello(self, session: Session) -> Message:
        hello = pb.Hello(version_min=VERSION, version_max=VERSION, id=self.identity.agency,
                         origin=self.ledger.origin, seal_chain=self.identity.seal_chain,
                         my_checkpoint=self.ledger.note(), received_k=self.received_k,
                         schema_version=SCHEMA)
        if self.books and self.books.held.note:
            hello.your_checkpoint = self.books.held.note
        if self.books and self.books.held.received_k:
            hello.received_head = self.books.held.heads[-1]
        hello.prove.extend(self.wanted)
        sign_hello(hello, session.role, session.exporter, self.identity.seal_key)
        return hello

    def greet(self, session: Session, change: Callable[[Message], None] = lambda _: None) -> Link:
        """Both Hellos, PROTOCOL.md 5.2; `change` may spoil ours after it is signed."""
        ours = self.hello(session)
        change(ours)
        try:
            session.send(pb.Frame(hello=ours))
            frame = session.receive(10)
            if not frame.HasField("hello"):
                raise batch.SessionFault("something before Hello")
            link = self._verify_hello(session, frame.hello)
            self.send_due(link)
        except BaseException:
            session.close()
            raise
        return link

    def _verify_hello(self, session: Session, hello: Message) -> Link:
        if not hello.version_min <= VERSION <= hello.version_max:
            raise batch.SessionFault("no version in common")
        if hello.id != self.other or hello.id != session.peer:
            raise BadIdentity("Hello of another agency")
        required = ("origin", "my_checkpoint", "received_k", "schema_version", "signature")
        if (not all(hello.HasField(name) for name in required)
                or bool(hello.received_k) != hello.HasField("received_head")):
            raise batch.SessionFault("Hello lacks something")
        key = self.trust.seal_key(list(hello.seal_chain), hello.id)
        if note.agency_of(hello.origin) != hello.id:
            raise BadIdentity("origin of another agency")
        verify_hello(hello, OTHER_ROLE[session.role], session.exporter, key)
        theirs = note.verify(hello.my_checkpoint, key, hello.id, hello.origin)
        held = batch.Held(hello.id, hello.origin, key, self.identity.agency)
        if self.books is None:
            self.books = Books(self.ledger, held, self.agreements)
        pinned = self.books.held
        if (pinned.origin, note.raw_key(pinned.key)) != (held.origin, note.raw_key(key)):
            raise BadIdentity("another origin or seal key than the pinned")
        if pinned.checkpoint and pinned.size == theirs.size and pinned.checkpoint != theirs:
            raise batch.Incident("one size, two roots")
        return self._resume_from(session, hello)

    def _resume_from(self, session: Session, hello: Message) -> Link:
        """Where this session goes on, by the other side's Hello."""
        size = 0
        if hello.HasField("your_checkpoint"):
            ours = note.verify(hello.your_checkpoint, self.identity.seal_key.public_key(),
                               self.identity.agency, self.ledger.origin)
            size = ours.size
            if (size > len(self.ledger.leaves)
                    or merkle.root(self.ledger.leaves[:size]) != ours.root):
                raise batch.Incident("we have been rolled back")
        self._check_cursor(hello.received_k, hello.received_head)
        return Link(session, hello, hello.received_k, size)

    def _check_cursor(self, k: int, head: bytes) -> None:
        heads = self.ledger.chain(self.other).heads
        if k >= len(heads) or k and heads[k] != head:
            raise batch.SessionFault("cursor is not on our chain")

    # --- going on -------------------------------------------------------------------------------

    def pump(self, link: Link, until: Callable[[], bool], timeout: float = 20) -> None:
        """Take frames and send what is due, until the condition holds; else TimeoutError."""
        deadline = time.monotonic() + timeout
        self.send_due(link)
        while not until():
            try:
                self.handle(link, link.session.receive(LOOK_S))
                self.send_due(link)
            except TimeoutError:
                if time.monotonic() > deadline:
                    raise

    def pump_until_end(self, link: Link, timeout: float = 20) -> SessionEnded:
        """Take frames until the other side ends the session; how it did."""
        try:
            self.pump(link, lambda: False, timeout)
        except SessionEnded as e:
            link.session.close()
            return e
        raise AssertionError("unreachable: the condition never holds")

    def handle(self, link: Link, frame: Message) -> None:
        if frame.HasField("batch"):
            self._take_batch(link, frame.batch)
        elif frame.HasField("resume"):
            self._take_resume(link, frame.resume)
        elif frame.HasField("ask"):
            link.session.send(pb.Frame(answer=self._answer(frame.ask)))
        elif frame.HasField("answer"):
            link.answers[frame.answer.id] = frame.answer
        elif frame.HasField("ping"):
            if not frame.ping.reply:
                link.session.send(pb.Frame(ping=pb.Ping(reply=True)))
        else:
            raise batch.SessionFault("a second Hello")

    def send_due(self, link: Link) -> None:
        """Every entry for the other side that this session has not carried yet, and at its begin
        the proofs that were asked for."""
        due = self.ledger.chain(self.other).written[link.sent_k:][:batch.ITEMS_MAX]
        if due or (link.hello.prove and not link.frames):
            self.send_batch(link, due)

    def send_batch(self, link: Link, items: list[Written]) -> None:
        wanted = () if link.frames else link.hello.prove
        made = batch.make(self.ledger, items, link.sent_size, wanted)
        frame = pb.Frame(batch=made)
        link.session.send(frame)
        link.frames.append(frame)
        link.sent_size = len(self.ledger.leaves)
        if items:
            link.sent_k = items[-1].k

    def _take_resume(self, link: Link, resume: Message) -> None:
        link.n_resumed += 1
        self._check_cursor(resume.k, resume.head)
        if resume.size > len(self.ledger.leaves) or link.n_resumed > 8:
            raise batch.SessionFault("RESUME does not fit")
        link.sent_k, link.sent_size = resume.k, resume.size

    def _answer(self, ask: Message) -> Message:
        """Heads of a pair chain, PROTOCOL.md 6.5; of anything else the id alone."""
        assert self.books
        answer = pb.Answer(id=ask.id)
        if ask.HasField("heads"):
            is_ours = ask.heads.side == pb.CHAIN_SIDE_YOURS
            heads = (self.ledger.chain(self.other) if is_ours else self.books.held).heads
            answer.newest_k = len(heads) - 1
            for k in ask.heads.k:
                at = k or len(heads) - 1
                if at < len(heads):
                    answer.heads.add(k=at, head=heads[at])
        return answer

    def _take_batch(self, link: Link, received: Message) -> None:
        """PROTOCOL.md 6.3: check it wholly, then one commit with our receipt."""
        assert self.books
        held = self.books.held
        try:
            checked = batch.verify(received, held)
        except batch.NeedsResume:
            link.session.send(pb.Frame(resume=pb.Resume(
                size=held.size, k=held.received_k,
                head=held.heads[-1] if held.received_k else None)))
            return
        self.older.update(batch.older_roots(received, checked.checkpoint))
        exceptions = []
        for proven in checked.new:
            try:
                self.books.take(proven)
            except Refused as e:
                exceptions.append(pb.Exception(
                    k=proven.k, status=pb.EXCEPTION_STATUS_REFUSED, reason=e.reason))
                self.refused[proven.k] = e.reason
            except Absent:
                exceptions.append(pb.Exception(k=proven.k, status=pb.EXCEPTION_STATUS_ABSENT))
                self.refused[proven.k] = None
            held.heads.append(proven.head)
            held.leaves[proven.k] = proven.leaf
        held.checkpoint, held.note = checked.checkpoint, received.checkpoint
        kinds = [dict(codec.walk(p.item.entry)).get(4) for p in checked.new]
        if any(kind != pb.ENTRY_KIND_RECEIPT for kind in kinds):
            self._write_receipt(checked.checkpoint, exceptions)

    def _write_receipt(self, rests_on: note.Checkpoint, exceptions: list[Message]) -> None:
        assert self.books
        held = self.books.held
        receipt = pb.Receipt(origin=held.origin, size=rests_on.size, root=rests_on.root,
                             from_k=self.receipted_k + 1, to_k=held.received_k,
                             head=held.heads[-1], exceptions=exceptions)
        self.write(pb.ENTRY_KIND_RECEIPT, receipt)
        self.receipted_k = held.received_k

    # --- what we say ----------------------------------------------------------------------------

    def write(self, kind: int, body: Message, *, agreement: bytes | None = None,
              purpose: int | None = None, answers: bytes | None = None,
              openings: tuple[Opening, ...] = (),
              lie: dict[int, int | bytes | None] | None = None) -> Written:
        """One entry for the other side; it leaves with the next pump()."""
        return self.ledger.append(self.other, kind, codec.encode(body), seen_k=self.received_k,
                                  agreement=agreement, purpose=purpose, answers=answers,
                                  openings=openings, lie=lie)

    def seal(self, child: Message) -> record.Sealed:
        """Seal a record of ours."""
        return record.seal(self.ledger, record.cut(child), child.DESCRIPTOR)

    def adopt(self, agreement: Agreement) -> Written:
        assert self.books
        self.agreements[agreement.digest] = agreement
        written = self.write(pb.ENTRY_KIND_ADOPT, pb.Adopt(name=agreement.name),
                             agreement=agreement.digest)
        self.books.our_adoptions.append((written.k, agreement.digest, True))
        return written

    def has_agreed(self, agreement: Agreement) -> bool:
        """Both sides have adopted it, as far as we have seen."""
        assert self.books
        return self.books.is_in_force(agreement.digest, self.received_k + 1, self.delivered_k)

    def refer(self, sealed: record.Sealed, agreement: Agreement, purpose: int, *,
              surplus: tuple[str, ...] = (),
              spoil: Callable[[Message, list[Opening]], None] = lambda *_: None
              ) -> tuple[Written, Case]:
        """A referral with what the agreement allows at request, and with the units `surplus`, which
        a test knows that it does not; `spoil` may change terms and openings at the end."""
        assert self.books
        terms = pb.Referral(type=pb.REFERRAL_TYPE_TRACING, urgency=pb.URGENCY_URGENT,
                            responsibility=pb.RESPONSIBILITY_REFERRAL,
                            basis=pb.LEGAL_BASIS_PUBLIC_TASK, message="Prosíme o pomoc.")
        allowed = self._allowed(agreement, purpose, "request", terms)
        disclosure, chosen = sealed.disclose(lambda path: allowed(path) or path in surplus)
        terms.record.CopyFrom(disclosure)
        openings = list(chosen)
        spoil(terms, openings)
        written = self.write(pb.ENTRY_KIND_REFERRAL, terms, agreement=agreement.digest,
                             purpose=purpose, openings=tuple(openings))
        case = Case(written.leaf, True, purpose, terms, sealed=sealed, digest=sealed.digest)
        self.books.cases[case.leaf] = case
        return written, case

    def supplement(self, case: Case, agreement: Agreement) -> Written:
        """The second stage of a referral of ours: all that acceptance releases."""
        assert case.sealed
        at_request = self._allowed(agreement, case.purpose, "request", case.terms)
        accepted = self._allowed(agreement, case.purpose, "accepted", case.terms)
        disclosure, openings = case.sealed.disclose(
            lambda path: accepted(path) and not at_request(path), with_manifest=False)
        return self.write(pb.ENTRY_KIND_SUPPLEMENT, pb.Supplement(record=disclosure),
                          agreement=agreement.digest, purpose=case.purpose, answers=case.leaf,
                          openings=openings)

    def answer(self, case: Case, state: int = ACCEPTED, reason: str | None = None) -> Written:
        """A change of state of a referral."""
        written = self.write(pb.ENTRY_KIND_STATUS, pb.Status(state=state, reason=reason),
                             answers=case.leaf)
        case.state = state
        if state == ACCEPTED:
            case.accepted_k = written.k
        return written

    @staticmethod
    def _allowed(agreement: Agreement, purpose: int, stage: str,
                 terms: Message) -> Callable[[str], bool]:
        return lambda path: agreement.judge(
            purpose=purpose, record="VictimRecord", stage=stage, consent=has_consent(terms),
            path=path) is Answer.ALLOWED
