"""kill -9, again and again, while referrals flow: everything arrives once, in order, and both ledgers
verify."""

import os
import random
import signal

import pytest

from conftest import ROOT, wait_for

N_REFERRALS = 12 if "AMPARO_QUICK" in os.environ else 40
N_KILLS = 4 if "AMPARO_QUICK" in os.environ else 12

AGREEMENT = """\
agreement: crash test
parties: [{0}, {1}]
valid: {{from: 2020-01-01, until: 2040-12-31}}
purposes: [child-protection]
rules:
  - name: outline
    record: VictimRecord
    stage: request
    fields: [derived, origin.preferred_language]
    consent: not-required
    retention_days: 365
    onward: none
"""


@pytest.fixture
def agreed(pair, folder):
    one, two = pair
    file = folder / "agreement.yaml"
    file.write_text(AGREEMENT.format(*sorted((one.id, two.id))))
    for node in pair:
        node.amparo("agreement", "adopt", file)
    for node in pair:
        wait_for(lambda n=node: [r["state"] for r in n.json("agreement", "list")] == ["in-force"],
                 "the agreement in force")
    imported = one.json("record", "import", ROOT / "conf/demo/victim-1.json")
    return one, two, imported[0]["id"]


def send(node, record, peer):
    """Durable before told: the id that this returns has to arrive."""
    return node.json("referral", "send", "--record", record, "--to", peer.id, "--purpose",
                     "child-protection", "--basis", "public-task", "--type", "placement",
                     "--reason", "test")[0]["id"]


@pytest.mark.parametrize("seed", (1, 2))
def test_killed_while_referrals_flow(agreed, seed):
    one, two, record = agreed
    rng = random.Random(seed)
    one.port  # kept for its next start
    kills = sorted(rng.sample(range(N_REFERRALS), N_KILLS))
    told = []
    for i in range(N_REFERRALS):
        told.append(send(one, record, two))
        if i in kills:
            victim = rng.choice((one, two))
            # The whole node, or the process that holds the ledger alone.
            if rng.random() < 0.5:
                victim.kill()
            else:
                os.kill(victim.pids()["vault"], signal.SIGKILL)
                assert victim.wait_end() != 0
            victim.start()

    one.wait_connected(two)

    def delivered():
        rows = one.json("audit", "reconcile", two.id)
        return rows[0]["ok"] and rows[0]["sent_k"] == rows[0]["sent_held"] and rows[0]
    wait_for(delivered, "all delivered", 60)
    received = [row["id"] for row in two.json("referral", "list", "--in")]
    assert sorted(received) == sorted(told)
    for node in (one, two):
        assert all(row["ok"] for row in node.json("audit", "verify"))
        order = [row["k"] for row in node.json("audit", "list") if row.get("k")]
        assert order == sorted(order) and len(set(order)) == len(order)
        assert not node.log_lines(r"^<[0-3]>")
