"""What the clients asked, and what they were told: kept in memory and, line by line, in a file.

An operation is `asked`, and then acknowledged ("ok"), refused ("no": the node said that it did not do
it) or unknown ("lost": the connection ended first). Only what is acknowledged has to hold, and what
was refused must not; of what is unknown, both are right.
"""

import dataclasses
import json
import pathlib

OK, NO, LOST = "ok", "no", "lost"
# Year 2096 in microseconds: `reply_by` of a referral is this and its number.
TOKEN_FIRST = 3_976_000_000_000_000


@dataclasses.dataclass
class Send:
    """One referral.send."""
    token: int
    sender: str
    receiver: str
    result: str | None = None
    id: bytes = b""


@dataclasses.dataclass
class Decision:
    """What its receiver made of a referral; asked again when the first answer was lost."""
    id: bytes
    by: str
    state: int
    result: str | None = None
    is_written: bool = False            # in the history's file


@dataclasses.dataclass
class Import:
    """One record.import: a new record, or a revision of one (`replaces`)."""
    reference: str
    by: str
    replaces: bytes = b""
    result: str | None = None
    id: bytes = b""


class History:
    """Everything asked in one round."""

    def __init__(self, file: pathlib.Path) -> None:
        self._out = open(file, "w", encoding="ascii")
        self.sends: dict[int, Send] = {}
        self.decisions: dict[bytes, Decision] = {}
        self.imports: list[Import] = []
        self.n_acknowledged = 0         # referrals

    def _line(self, *words) -> None:
        self._out.write(json.dumps(words, separators=(",", ":")) + "\n")

    def asked_send(self, sender: str, receiver: str) -> Send:
        token = TOKEN_FIRST + len(self.sends)
        self._line("send", "asked", token, sender, receiver)
        self.sends[token] = Send(token, sender, receiver)
        return self.sends[token]

    def told_send(self, send: Send, result: str, leaf: bytes = b"") -> None:
        send.result, send.id = result, leaf
        self.n_acknowledged += result == OK
        self._line("send", result, send.token, leaf.hex())

    def asked_decision(self, referral: bytes, by: str, state: int) -> Decision:
        known = self.decisions.setdefault(referral, Decision(referral, by, state))
        if not known.is_written:
            known.is_written = True     # once, however often the referral was not there yet
            self._line("decide", "asked", referral.hex(), by, state)
        return known

    def told_decision(self, decision: Decision, result: str) -> None:
        decision.result, decision.is_written = result, result != LOST
        self._line("decide", result, decision.id.hex(), decision.state)

    def asked_import(self, by: str, replaces: bytes) -> Import:
        reference = f"{by.split('.')[0]}-{len(self.imports)}"
        self._line("import", "asked", reference, replaces.hex())
        self.imports.append(Import(reference, by, replaces))
        return self.imports[-1]

    def told_import(self, imported: Import, result: str, record: bytes = b"") -> None:
        imported.result, imported.id = result, record
        self._line("import", result, imported.reference, record.hex())

    def count(self, result: str) -> int:
        return sum(send.result == result for send in self.sends.values())

    def close(self) -> None:
        self._out.close()
