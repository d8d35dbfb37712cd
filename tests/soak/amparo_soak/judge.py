"""What is wrong with what the agencies hold, measured against the history. Pure.

  lost       acknowledged, and not there (or not so) where it has to be
  twice      done more than once: two referrals of one request, two decisions of one referral
  differ     the two ends, or ledger and tables, say different things
"""

import collections
import dataclasses

from .history import LOST, NO, OK, TOKEN_FIRST, History
from .words import pb

REQUESTED = pb.REFERRAL_STATE_REQUESTED


@dataclasses.dataclass(frozen=True)
class Row:
    """A referral as one end lists it."""
    id: bytes
    peer: str
    token: int
    state: int
    n_disclosed: int
    delivery: str


@dataclasses.dataclass
class View:
    """All that one agency holds once everything is quiet."""
    sent: list[Row] = dataclasses.field(default_factory=list)
    received: list[Row] = dataclasses.field(default_factory=list)
    records: list[tuple[bytes, int]] = dataclasses.field(default_factory=list)  # id, revision
    written: list[bytes] = dataclasses.field(default_factory=list)   # leaves of REFERRAL entries
    decided: list[bytes] = dataclasses.field(default_factory=list)   # what STATUS entries answer


@dataclasses.dataclass
class Findings:
    """Sentences; each list is empty when all is well."""
    lost: list[str] = dataclasses.field(default_factory=list)
    twice: list[str] = dataclasses.field(default_factory=list)
    differ: list[str] = dataclasses.field(default_factory=list)


def _by_id(rows: list[Row]) -> dict[bytes, list[Row]]:
    found = collections.defaultdict(list)
    for row in rows:
        found[row.id].append(row)
    return found


def _judge_send(send, sent: list[Row], received: list[Row], f: Findings) -> None:
    """sent, received: the rows with this token at the sender and at the receiver."""
    name = f"referral {send.token - TOKEN_FIRST} {send.sender} -> {send.receiver}"
    if len(sent) > 1 or len(received) > 1:
        f.twice.append(f"{name}: sent {len(sent)}, received {len(received)} times")
    if send.result == OK:
        if send.id not in [row.id for row in sent]:
            f.lost.append(f"{name}: its sender does not hold it")
        if send.id not in [row.id for row in received]:
            f.lost.append(f"{name}: its receiver does not hold it")
    if send.result == NO and (sent or received):
        f.differ.append(f"{name}: refused, and yet there")


def _judge_ends(sender: str, sent: list[Row], receiver: str, received: list[Row],
                f: Findings) -> None:
    """All between two agencies in one direction."""
    ours, theirs = _by_id(sent), _by_id(received)
    for leaf in ours.keys() | theirs.keys():
        name = f"referral {leaf.hex()[:12]} {sender} -> {receiver}"
        if len(ours[leaf]) != 1 or len(theirs[leaf]) != 1:
            f.differ.append(f"{name}: sent {len(ours[leaf])}, received {len(theirs[leaf])} times")
            continue
        a, b = ours[leaf][0], theirs[leaf][0]
        if (a.token, a.state, a.n_disclosed) != (b.token, b.state, b.n_disclosed):
            f.differ.append(f"{name}: {a} at its sender, {b} at its receiver")
        if a.delivery != "received":
            f.differ.append(f"{name}: delivery is '{a.delivery}' at its sender")


def _judge_decisions(history: History, views: dict[str, View], f: Findings) -> None:
    decided = {agency: collections.Counter(view.decided) for agency, view in views.items()}
    states = {(agency, row.id): row.state for agency, view in views.items() for row in view.received}
    for agency, counts in decided.items():
        for leaf, n in counts.items():
            if n > 1:
                f.twice.append(f"referral {leaf.hex()[:12]}: decided {n} times by {agency}")
            if leaf not in history.decisions:
                f.differ.append(f"referral {leaf.hex()[:12]}: decided by {agency}, unasked")
    for d in history.decisions.values():
        name = f"decision {d.state} of referral {d.id.hex()[:12]} by {d.by}"
        n, state = decided[d.by][d.id], states.get((d.by, d.id))
        if d.result == OK and (n < 1 or state != d.state):
            f.lost.append(f"{name}: {n} entries, state {state}")
        if d.result == NO and n > 0:
            f.differ.append(f"{name}: refused, and yet in the ledger")
        if d.result == LOST and state != (d.state if n else REQUESTED):
            f.differ.append(f"{name}: {n} entries, and state {state}")
    for (agency, leaf), state in states.items():
        if state != REQUESTED and leaf not in decided[agency]:
            f.differ.append(f"referral {leaf.hex()[:12]}: state {state} at {agency} without an entry")


def _judge_records(history: History, agency: str, view: View, f: Findings) -> None:
    """Revisions held lie between those acknowledged and those with the lost answers besides."""
    mine = [i for i in history.imports if i.by == agency]
    known, maybe = collections.Counter(), collections.Counter()
    for i in mine:
        if i.result == OK:
            known[i.id] += 1
        elif i.result == LOST and i.replaces:
            maybe[i.replaces] += 1
    held = collections.Counter()
    for record, revision in view.records:
        held[record] += 1
        if held[record] > 1:
            f.twice.append(f"record {record.hex()} of {agency} is there {held[record]} times")
        if known[record] and not known[record] <= revision <= known[record] + maybe[record]:
            kind = f.lost if revision < known[record] else f.twice
            kind.append(f"record {record.hex()} of {agency}: revision {revision}, "
                        f"acknowledged {known[record]}, and {maybe[record]} unknown")
    for record in known.keys() - held.keys():
        f.lost.append(f"record {record.hex()} of {agency}")
    n_new = sum(not known[record] for record in held)
    n_lost = sum(i.result == LOST and not i.replaces for i in mine)
    if n_new > n_lost:
        f.twice.append(f"{agency} holds {n_new} records that nobody was told of, {n_lost} lost")


def judge(history: History, views: dict[str, View]) -> Findings:
    """views: by agency id, all of them."""
    f = Findings()
    sent, received = ({(agency, token): rows
                       for agency, view in views.items()
                       for token, rows in _by_token(getattr(view, side)).items()}
                      for side in ("sent", "received"))
    for send in history.sends.values():
        _judge_send(send, sent.get((send.sender, send.token), []),
                    received.get((send.receiver, send.token), []), f)
    for agency, view in views.items():
        for other in views.keys() - {agency}:
            _judge_ends(agency, [r for r in view.sent if r.peer == other], other,
                        [r for r in views[other].received if r.peer == agency], f)
        if sorted(view.written) != sorted(row.id for row in view.sent):
            f.differ.append(f"{agency}: its ledger and its list name different referrals")
        for row in view.sent + view.received:
            if row.token not in history.sends:
                f.differ.append(f"referral {row.id.hex()[:12]} at {agency} was never asked for")
        _judge_records(history, agency, view, f)
    _judge_decisions(history, views, f)
    return f


def _by_token(rows: list[Row]) -> dict[int, list[Row]]:
    found = collections.defaultdict(list)
    for row in rows:
        found[row.token].append(row)
    return found
