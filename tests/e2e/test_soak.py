"""Twenty kill -9 cycles over three agencies under load; tests/soak does the work, and its judge is
shown here to find what it is there to find."""

import dataclasses
import pathlib
import re
import subprocess
import sys

import pytest
from conftest import BUILD, ROOT, not_quick

sys.path.insert(0, str(ROOT / "tests/soak"))

from amparo_soak import history, judge, soak  # noqa: E402
from amparo_soak.words import pb  # noqa: E402

ONE, TWO = "spiffe://one.example/office", "spiffe://two.example/office"
REQUESTED, ACCEPTED = pb.REFERRAL_STATE_REQUESTED, pb.REFERRAL_STATE_ACCEPTED
DECLINED = pb.REFERRAL_STATE_DECLINED
LOST, TWICE, DIFFER = "lost", "twice", "differ"


@not_quick
def test_twenty_kills(programs):
    command = [ROOT / "tests/soak/run", "--cycles", "20", "--referrals", "1000", "--minutes", "1",
               "--seed", "3", "--log", "debug"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={"AMPARO_BUILD": str(BUILD), "PATH": "/usr/bin:/bin"}, timeout=300)
    said = done.stdout + done.stderr
    print(said)
    assert done.returncode == 0, said
    last = re.fullmatch(r"soak: 1 rounds from seed 3, (\d+) cycles, (\d+) referrals, .* = 0/0/0",
                        done.stdout.splitlines()[-1])
    assert last and int(last[1]) >= 20 and int(last[2]) >= 1000, said


class Made:
    """What two agencies hold after three referrals, a decision and an import, all as it should be."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.told = history.History(folder / "history")
        self.one, self.two = judge.View(), judge.View()
        for i in range(3):
            send = self.told.asked_send(ONE, TWO)
            self.told.told_send(send, history.OK, bytes([i]) * 32)
            state = ACCEPTED if i == 0 else REQUESTED
            self.one.sent.append(judge.Row(send.id, TWO, send.token, state, 4, "received"))
            self.two.received.append(judge.Row(send.id, ONE, send.token, state, 4, "received"))
            self.one.written.append(send.id)
        self.send(history.LOST)
        self.send(history.NO)
        decision = self.told.asked_decision(bytes(32), TWO, ACCEPTED)
        self.told.told_decision(decision, history.OK)
        self.two.decided.append(bytes(32))
        for replaces in (b"", b"record"):
            imported = self.told.asked_import(ONE, replaces)
            self.told.told_import(imported, history.OK, b"record")
        self.one.records.append((b"record", 2))

    def send(self, result: str) -> None:
        self.told.told_send(self.told.asked_send(ONE, TWO), result)

    def appear(self, number: int, leaf: bytes, *, at_receiver: bool = True) -> None:
        """A referral with that token; the sender's ledger has it."""
        row = judge.Row(leaf, TWO, history.TOKEN_FIRST + number, REQUESTED, 4, "received")
        self.one.sent.append(row)
        self.one.written.append(leaf)
        if at_receiver:
            self.two.received.append(dataclasses.replace(row, peer=ONE))

    def alter(self, side: str, number: int, **change) -> None:
        rows = self.one.sent if side == "sent" else self.two.received
        rows[number] = dataclasses.replace(rows[number], **change)

    def found(self) -> set[str]:
        self.told.close()
        findings = judge.judge(self.told, {ONE: self.one, TWO: self.two})
        return {kind for kind in (LOST, TWICE, DIFFER) if getattr(findings, kind)}


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


def test_all_is_well(made):
    assert made.found() == set()


def test_of_what_is_unknown_both_are_right(made):
    made.appear(3, b"x" * 32)
    assert made.found() == set()


@pytest.mark.parametrize("kind, wrong", (
    (LOST, lambda m: m.two.received.pop()),
    (LOST, lambda m: (m.one.sent.pop(), m.one.written.pop(), m.two.received.pop())),
    (LOST, lambda m: m.alter("sent", 0, state=REQUESTED) or m.alter("received", 0, state=REQUESTED)),
    (LOST, lambda m: m.two.decided.clear()),
    (LOST, lambda m: m.one.records.clear()),
    (LOST, lambda m: m.one.records.__setitem__(0, (b"record", 1))),
    (TWICE, lambda m: m.appear(1, b"x" * 32)),
    (TWICE, lambda m: m.two.received.append(m.two.received[0])),
    (TWICE, lambda m: m.two.decided.append(bytes(32))),
    (TWICE, lambda m: m.one.records.append(m.one.records[0])),
    (TWICE, lambda m: m.one.records.append((b"another", 1))),
    (TWICE, lambda m: m.one.records.__setitem__(0, (b"record", 3))),
    (DIFFER, lambda m: m.alter("sent", 1, state=DECLINED)),
    (DIFFER, lambda m: m.alter("received", 1, n_disclosed=5)),
    (DIFFER, lambda m: m.alter("sent", 1, delivery="refused")),
    (DIFFER, lambda m: m.appear(3, b"x" * 32, at_receiver=False)),
    (DIFFER, lambda m: m.appear(4, b"x" * 32)),
    (DIFFER, lambda m: m.appear(99, b"x" * 32)),
    (DIFFER, lambda m: m.one.written.pop()),
    (DIFFER, lambda m: m.two.decided.append(b"\1" * 32)),
))
def test_the_judge_finds(made, kind, wrong):
    wrong(made)
    assert kind in made.found()


def test_personal_data_is_found(tmp_path):
    """Also where it lies across two pieces that are read."""
    file = tmp_path / "log"
    file.write_bytes(b"." * ((1 << 20) - 3) + b"soakmark" + b".")
    assert soak.holds(file, b"soakmark")
    assert not soak.holds(file, b"soakmarkx")
