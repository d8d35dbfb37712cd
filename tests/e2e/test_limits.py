"""A disk that fills, a peer that sends too much, one that stands still: real processes, and for the
disk a real small file system."""

import os
import signal
import subprocess
import time

import pytest

from conftest import ROOT, free_port, not_quick, wait_for

EX_TEMPFAIL = 75
MIB = 1 << 20

AGREEMENT = """\
agreement: limits
parties: [{parties}]
valid: {{from: 2020-01-01, until: 2040-12-31}}
purposes: [child-protection]
rules:
  - {{name: outline, record: VictimRecord, stage: request, fields: [derived], consent: not-required,
     retention_days: 365, onward: none}}
"""


def agree(folder, nodes):
    file = folder / "agreement.yaml"
    file.write_text(AGREEMENT.format(parties=", ".join(sorted(node.id for node in nodes))))
    for node in nodes:
        node.amparo("agreement", "adopt", file)
    for node in nodes:
        wait_for(lambda n=node: [r["state"] for r in n.json("agreement", "list")]
                 == ["in-force"] * (len(nodes) - 1), "the agreement in force")


def import_record(node, code=0):
    return node.amparo("--json", "record", "import", ROOT / "conf/demo/victim-1.json", code=code)


def record_of(node):
    return node.json("record", "import", ROOT / "conf/demo/victim-1.json")[0]["id"]


def send(node, record, peer, code=0):
    done = node.amparo("--json", "referral", "send", "--record", record, "--to", peer.id, "--purpose",
                       "child-protection", "--basis", "public-task", "--reason", "test", code=code)
    return done.stderr if code else None


def shown(node, peer):
    return node.json("peer", "show", peer.name)[0]


def wait_delivered(node, peer, n):
    wait_for(lambda: sum(r["delivery"] == "received" for r in node.json("referral", "list", "--out")
                         if r["peer"] == peer.id) == n, f"{n} referrals delivered")


# --- the disk -------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(folder):
    """small_disk(size in MiB) -> a folder on a file system of its own."""
    mounted = []

    def make(mib):
        path = folder / f"disk{len(mounted)}"
        path.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "tmpfs", path],
                              capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"SKIPPED LOUDLY: no small file system can be mounted here: {done.stderr}")
        mounted.append(path)
        return path
    yield make
    for path in mounted:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def on_small_disk(small_disk, make_node, folder):
    """Two nodes with an agreement; the database of the first is on a disk of 128 MiB."""
    disk = small_disk(128)
    one = make_node("one.cz.example/office")
    one.config["data"] = str(disk / "data")
    two = make_node("two.sk.example/office")
    port = free_port()
    two.config["listen"] = [f"127.0.0.1:{port}"]
    one.add_peer(two, f"127.0.0.1:{port}")
    one.init()
    one.start()
    two.add_peer(one, True)
    two.init()
    two.start()
    one.wait_connected(two)
    agree(folder, (one, two))
    return one, two, disk


def fill(disk, leave):
    """A file that leaves this many bytes."""
    stat = os.statvfs(disk)
    with open(disk / "filler", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, stat.f_bavail * stat.f_frsize - leave)


@not_quick
def test_a_full_disk(on_small_disk):
    one, two, disk = on_small_disk
    pids = one.pids()
    mine, theirs = record_of(one), record_of(two)
    send(one, mine, two)
    send(two, theirs, one)
    wait_delivered(one, two, 1)
    wait_delivered(two, one, 1)
    incoming = next(r["id"] for r in one.json("referral", "list", "--in"))

    fill(disk, 40 * MIB)
    for refused in (import_record(one, EX_TEMPFAIL).stderr, send(one, mine, two, EX_TEMPFAIL),
                    one.amparo("referral", "accept", incoming, code=EX_TEMPFAIL).stderr,
                    one.amparo("agreement", "adopt", disk.parent / "agreement.yaml",
                               code=EX_TEMPFAIL).stderr):
        assert "disk of this node is nearly full" in refused and "64 are kept in reserve" in refused
    assert "nearly full" in one.json("status")[0]["state"]
    one.wait_log("the disk with the database is nearly full")
    # What asks for nothing new is answered.
    assert one.json("record", "show", mine, "--reason", "look")[0]["id"] == mine
    assert one.json("audit", "verify")[0]["ok"]
    # New content waits at its sender, who is told and knows why.
    send(two, theirs, one)
    two.wait_log("peer ended the session .*code=busy")
    wait_for(lambda: "its disk is full" in shown(two, one).get("last_error", ""), "the reason")
    assert shown(two, one)["n_waiting"] > 0
    assert len(one.json("referral", "list", "--in")) == 1

    (disk / "filler").unlink()
    one.wait_log("there is space on the disk again")    # it looks by itself
    import_record(one)
    one.amparo("referral", "accept", incoming)
    send(one, mine, two)
    wait_delivered(two, one, 2)
    wait_delivered(one, two, 2)
    assert one.pids() == pids   # without a restart
    for node, other in ((one, two), (two, one)):
        assert node.json("audit", "verify")[0]["ok"]
        assert node.json("audit", "reconcile", other.name)[0]["ok"]


def test_what_was_promised_goes_out_of_a_full_disk(on_small_disk):
    one, two, disk = on_small_disk
    mine = record_of(one)
    two.stop()
    for _ in range(5):
        send(one, mine, two)
    assert shown(one, two)["n_waiting"] >= 5
    fill(disk, 40 * MIB)
    send(one, mine, two, EX_TEMPFAIL)
    two.start()
    wait_delivered(one, two, 5)     # and the receipts were taken
    assert "nearly full" in one.json("status")[0]["state"]
    assert len(two.json("referral", "list", "--in")) == 5


@not_quick
def test_a_flood_stops_at_the_reserve(on_small_disk):
    """Much more than fits is sent to a node at once: it never comes to the end of its disk."""
    one, two, disk = on_small_disk
    theirs = record_of(two)
    pids = one.pids()
    fill(disk, 66 * MIB)
    for _ in range(400):
        send(two, theirs, one)
        if two.log_lines("code=busy"):
            break
    two.wait_log("code=busy")
    stat = os.statvfs(disk)
    assert stat.f_bavail * stat.f_frsize > 32 * MIB
    assert one.pids() == pids and not one.log_lines("the ledger cannot be written")
    n = len(two.json("referral", "list", "--out"))
    (disk / "filler").unlink()
    one.wait_log("there is space on the disk again")
    wait_delivered(two, one, n)


# --- one peer -------------------------------------------------------------------------------------


def test_a_peer_over_its_limit_waits(make_node, folder):
    one = make_node("one.cz.example/office")
    one.config["limits"] = {"peer_entries_a_day": 100}
    two, three = make_node("two.sk.example/office"), make_node("three.at.example/office")
    for node in (two, three):
        one.add_peer(node)
    one.init()
    one.start()
    for node in (two, three):
        node.add_peer(one, True)
        node.init()
        node.start()
        node.wait_connected(one)
    file = folder / "agreement.yaml"
    file.write_text(AGREEMENT.format(parties=", ".join(sorted(n.id for n in (one, two, three)))))
    for node in (one, two, three):
        node.amparo("agreement", "adopt", file)
    for node in (two, three):
        wait_for(lambda n=node: "in-force" in [r["state"] for r in n.json("agreement", "list")],
                 "the agreement in force")
    theirs, others = record_of(two), record_of(three)
    for _ in range(110):
        send(two, theirs, one)
        if two.log_lines("code=busy"):
            break
    two.wait_log("code=busy")
    one.wait_log("a peer is over its limit of entries a day: .*peer=" + two.id)
    assert shown(one, two)["n_entries_today"] <= 100 == shown(one, two)["n_entries_limit"]
    assert shown(one, two)["n_refused_here"] == 0
    # The others do not notice.
    send(three, others, one)
    wait_delivered(three, one, 1)
    # With a higher limit what waits there comes.
    one.port
    one.stop()
    one.config["limits"] = {"peer_entries_a_day": 1000}
    one.start()
    n = len(two.json("referral", "list", "--out"))
    # Two was asked to wait long; it comes when it is told to look.
    two.amparo("peer", "test", one.name)
    wait_delivered(two, one, n)


def test_a_peer_that_stands_still_delays_nobody(make_node, folder):
    """All three processes of one peer are stopped as they are, in the midst of a transfer."""
    one = make_node("one.cz.example/office")
    two, three = make_node("two.sk.example/office"), make_node("three.at.example/office")
    for node in (two, three):
        one.add_peer(node)
    one.init()
    one.start()
    for node in (two, three):
        node.add_peer(one, True)
        node.init()
        node.start()
        node.wait_connected(one)
    file = folder / "agreement.yaml"
    file.write_text(AGREEMENT.format(parties=", ".join(sorted(n.id for n in (one, two, three)))))
    for node in (one, two, three):
        node.amparo("agreement", "adopt", file)
    wait_for(lambda: [r["state"] for r in one.json("agreement", "list")] == ["in-force"] * 2,
             "the agreement in force")
    mine, others = record_of(one), record_of(three)
    send(one, mine, two)
    stopped = two.pids()
    for pid in stopped.values():
        os.kill(pid, signal.SIGSTOP)
    try:
        slowest = 0
        for _ in range(20):
            send(one, mine, two)
            began = time.monotonic()
            send(one, mine, three)
            send(three, others, one)
            slowest = max(slowest, time.monotonic() - began)
        began = time.monotonic()
        wait_delivered(one, three, 20)
        wait_delivered(three, one, 20)
        assert time.monotonic() - began < 5 and slowest < 2
        assert shown(one, two)["n_waiting"] >= 20
    finally:
        for pid in stopped.values():
            os.kill(pid, signal.SIGCONT)
    wait_delivered(one, two, 21)
