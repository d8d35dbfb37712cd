"""Entries that wait for a peer that is down cost no memory, and all of them arrive. AMPARO_BACKLOG says
how many (2,000 without it; 100,000 takes about five minutes)."""

import asyncio
import os
import pathlib
import re
import sys
import threading
import time

from conftest import ROOT, wait_for

sys.path.insert(0, str(ROOT / "tests/soak"))

from amparo_soak.caller import Caller  # noqa: E402
from amparo_soak.words import VICTIM_RECORD, a_child, pb  # noqa: E402

N = int(os.environ.get("AMPARO_BACKLOG", 2000))
WARM = 1500
IN_FLIGHT = 32          # API_IN_FLIGHT_MAX
GROWTH_KIB_MAX = 4096   # of all three processes, whatever N is
PEAK_KIB_MAX = 16384    # while they are delivered, above what it was

AGREEMENT = """\
agreement: backlog
parties: [spiffe://one.cz.example/office, spiffe://two.sk.example/office]
valid: {from: 2020-01-01, until: 2040-12-31}
purposes: [child-protection]
rules:
  - {name: outline, record: VictimRecord, stage: request, fields: [derived], consent: not-required,
     retention_days: 365, onward: none}
"""


def pss_kib(node):
    total = 0
    for pid in node.pids().values():
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))
    return total


class Peak:
    """The most memory of a node while this is open."""

    def __init__(self, node):
        self.node, self.kib, self._end = node, 0, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self):
        while not self._end.wait(0.05):
            self.kib = max(self.kib, pss_kib(self.node))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


async def send_all(node, peer, n):
    """n referrals over the local socket, as many at once as it takes."""
    caller = await Caller.reach(node.config["socket"])
    row, = await caller.ask(record_import=pb.RecordImport(type=VICTIM_RECORD, record=a_child("b", 1)))
    terms = pb.Referral(type=pb.REFERRAL_TYPE_PLACEMENT, urgency=pb.URGENCY_URGENT,
                        responsibility=pb.RESPONSIBILITY_REFERRAL, basis=pb.LEGAL_BASIS_PUBLIC_TASK)
    verb = pb.ReferralSend(record_id=row.record.id, peer=peer.id, purpose=pb.PURPOSE_CHILD_PROTECTION,
                           terms=terms)
    for at in range(0, n, IN_FLIGHT):
        await asyncio.gather(*(caller.ask(referral_send=verb) for _ in range(min(IN_FLIGHT, n - at))))
    await caller.close()


def shown(node, peer):
    return node.json("peer", "show", peer.name)[0]


def test_backlog(pair, folder):
    one, two = pair
    file = folder / "agreement.yaml"
    file.write_text(AGREEMENT)
    for node in pair:
        node.amparo("agreement", "adopt", file)
    for node in pair:
        wait_for(lambda n=node: [r["state"] for r in n.json("agreement", "list")] == ["in-force"],
                 "the agreement in force")
    one.port
    two.stop()
    asyncio.run(send_all(one, two, WARM))   # the cache of the database has its size
    before = pss_kib(one)
    began = time.monotonic()
    asyncio.run(send_all(one, two, N))
    sent_s = time.monotonic() - began
    waiting = shown(one, two)
    assert waiting["n_waiting"] >= N + WARM
    after = pss_kib(one)
    began = time.monotonic()
    shown(one, two)
    show_s = time.monotonic() - began
    one.stop()
    began = time.monotonic()
    one.start()
    start_s = time.monotonic() - began
    restarted = pss_kib(one)
    with Peak(one) as sender:
        began = time.monotonic()
        two.start()
        wait_for(lambda: shown(one, two)["n_waiting"] == 0, "the last receipt", 60 + N / 100)
        delivered_s = time.monotonic() - began
    print(f"\nbacklog: {N} referrals to a peer that is down: memory of the node's three processes "
          f"{before} KiB PSS before, {after} after, {restarted} after a restart, at most {sender.kib} "
          f"while they were delivered; sent in {sent_s:.1f} s ({N / sent_s:.0f}/s), start "
          f"{start_s:.2f} s, peer show {show_s * 1000:.0f} ms, delivered in {delivered_s:.1f} s "
          f"({N / delivered_s:.0f}/s)")
    assert after - before <= GROWTH_KIB_MAX
    assert restarted <= before + GROWTH_KIB_MAX
    assert sender.kib <= before + PEAK_KIB_MAX
    assert shown(two, one)["received_k"] >= N + WARM and shown(two, one)["n_refused_here"] == 0
