"""An old database that was put back: the node signs nothing over what it signed before."""

import shutil

import pytest

from conftest import ROOT, wait_for

RECORD = ROOT / "conf/demo/victim-2.json"
AGREEMENT = ROOT / "conf/agreements/demo.yaml"


def state(node):
    return node.json("status")[0]["state"]


def entries(node):
    return node.json("status")[0]["size"]


def keep(node, name, *paths):
    """A copy of these paths of a stopped node."""
    copy = node.folder / name
    copy.mkdir()
    for path in paths:
        source = node.folder / path
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / path)


def put_back(node, name, *paths):
    for path in paths:
        target = node.folder / path
        if target.is_dir():
            shutil.rmtree(target)
            shutil.copytree(node.folder / name / path, target)
        else:
            shutil.copy(node.folder / name / path, target)


def signs_nothing(node):
    """It says so, answers what it can, and no entry is written."""
    before = entries(node)
    refused = node.amparo("record", "import", RECORD, code=None)
    assert refused.returncode != 0 and "nothing is signed" in refused.stderr
    assert entries(node) == before
    assert node.json("record", "list") != []


@pytest.fixture
def with_record(one):
    one.start()
    one.json("record", "import", RECORD)
    one.stop()
    return one


def test_a_restored_backup_is_found_by_the_file_beside_it(with_record):
    node = with_record
    keep(node, "backup", "data")
    node.start()
    for _ in range(3):
        node.json("record", "import", RECORD)
    size = entries(node)
    node.stop()
    keep(node, "newest", "data")

    put_back(node, "backup", "data")
    node.start()
    assert node.log_lines("err: nothing is signed: .*an old backup was restored")
    assert "an old backup was restored" in state(node)
    signs_nothing(node)
    node.stop()

    # It wrote nothing meanwhile, so that the newer database still fits.
    put_back(node, "newest", "data")
    node.start()
    assert state(node) == "serving"
    assert entries(node) == size + 1
    assert node.json("audit", "verify")[0]["ok"] is True


def test_a_database_one_commit_behind_goes_on(with_record):
    """As after a power cut between last-signed and the commit: nothing of it had left."""
    node = with_record
    keep(node, "backup", "data")
    node.start()
    # No entry but the one of the start: one commit.
    size = entries(node)
    node.kill()
    put_back(node, "backup", "data")
    node.start()
    assert state(node) == "serving" and entries(node) == size


def test_a_restored_backup_with_its_last_signed_is_found_by_a_peer(pair, folder):
    """Everything was put back, and nothing here can tell; but the peer holds what was signed since."""
    one, two = pair
    file = folder / "agreement.yaml"
    file.write_text(AGREEMENT.read_text()
                    .replace("spiffe://ochrana.cz.example/central-authority", one.id)
                    .replace("spiffe://ochrana.sk.example/central-authority", two.id))
    one.json("record", "import", RECORD)
    one.stop()
    keep(one, "backup", "data", "last-signed")
    one.start()
    one.wait_connected(two)
    one.amparo("agreement", "adopt", file)
    wait_for(lambda: two.json("agreement", "list"), "what one wrote arrives at two")
    one.stop()

    put_back(one, "backup", "data", "last-signed")
    one.start()
    one.wait_log("err: .*a peer holds a checkpoint of ours")
    assert "a peer holds a checkpoint of ours that this ledger does not contain" in state(one)
    signs_nothing(one)

    # It stays so when it starts again and nobody is there to tell it.
    one.stop()
    two.stop()
    one.start()
    assert "a peer holds a checkpoint of ours that this ledger does not contain" in state(one)
    signs_nothing(one)
    refused = one.amparo("clock", "confirm", "--reason", "it is not the clock", code=None)
    assert refused.returncode == 65 and "nobody doubts the clock" in refused.stderr
    one.amparo("ledger", "new-epoch", "--reason", "disk lost")
    one.stop()
    one.start()
    assert state(one) == "serving"


def test_a_new_epoch_brings_back_what_the_peer_holds(pair, folder):
    """The documented way after a loss: kill -9, the backup of the data folder put back, a new epoch
    that the peer accepts; then all that the peer holds is here again, and the exchange goes on."""
    one, two = pair
    file = folder / "agreement.yaml"
    file.write_text(AGREEMENT.read_text()
                    .replace("spiffe://ochrana.cz.example/central-authority", one.id)
                    .replace("spiffe://ochrana.sk.example/central-authority", two.id))
    one.wait_connected(two)
    one.amparo("agreement", "adopt", file)
    two.amparo("agreement", "adopt", file)
    wait_for(lambda: all(n.json("agreement", "list")[0]["state"] == "in-force" for n in pair),
             "the agreement is in force")
    record = {n: n.json("record", "import", RECORD)[0]["id"] for n in pair}

    def send(sender, to):
        return sender.json("referral", "send", "--record", record[sender], "--to", to.id,
                           "--purpose", "child-protection", "--basis", "public-task")[0]["id"]

    def referrals(node):
        return {r["id"]: (r["side"], r["state"]) for r in node.json("referral", "list")}

    one.stop()
    keep(one, "backup", "data")
    one.start()
    one.wait_connected(two)
    sent, got = send(one, two), send(two, one)
    wait_for(lambda: sent in referrals(two) and got in referrals(one), "both referrals are there")
    one.amparo("referral", "accept", got)
    two.amparo("referral", "accept", sent)
    wait_for(lambda: referrals(one).get(sent, ())[1:] == ("accepted",)
             and referrals(two).get(got, ())[1:] == ("accepted",), "both acceptances are there")
    before = referrals(one)
    one.kill()

    put_back(one, "backup", "data")
    one.start()
    assert "an old backup was restored" in state(one)
    signs_nothing(one)
    assert referrals(one) == {}
    refused = two.amparo("peer", "accept-epoch", one.id, "--reason", "too early", code=None)
    assert refused.returncode != 0 and "has not announced a new epoch" in refused.stderr
    one.amparo("ledger", "new-epoch", "--reason", "disk lost")
    assert state(one) == "serving"
    refused = one.amparo("ledger", "new-epoch", "--reason", "again", code=None)
    assert refused.returncode != 0 and "whole and serving" in refused.stderr
    # Only two dials here, and one has turned it away for a while: at most a minute between tries.
    two.wait_log("err: a peer started a new ledger", timeout=75)
    assert two.json("peer", "list")[0]["state"] == "new-epoch"
    assert one.json("peer", "list")[0]["state"] == "recovering"
    two.amparo("peer", "accept-epoch", one.id, "--reason", "asked by telephone")
    one.wait_log("notice: all is in order again with a peer", timeout=75)
    assert referrals(one) == before == {sent: ("out", "accepted"), got: ("in", "accepted")}
    results = one.json("audit", "verify")
    assert len(results) == 2 and all(r["ok"] for r in results)
    assert results[0]["n_recovered"] > 0
    rows = one.json("audit", "list", "--epoch", "all")
    past, now = sorted({r["epoch"] for r in rows})
    assert [r for r in rows if r["epoch"] == now] == one.json("audit", "list")
    rows = [r for r in rows if r["epoch"] == past]
    assert rows == one.json("audit", "list", "--epoch", past)
    back = [r for r in rows if r.get("given_back")]
    assert [r["id"] for r in back if r["kind"] == "referral"] != [] and rows[-len(back):] == back
    assert [r["id"] for r in rows] == sorted({r["id"] for r in rows})
    refused = one.amparo("audit", "list", "--epoch", "7", code=None)
    assert refused.returncode == 65 and "--epoch all" in refused.stderr
    results = two.json("audit", "verify", "--peer", one.id)
    assert len(results) == 2 and all(r["ok"] for r in results)
    wait_for(lambda: all(n.json("agreement", "list")[0]["state"] == "in-force" for n in pair),
             "the agreement is in force again")
    more = send(one, two)
    wait_for(lambda: more in referrals(two), "the exchange goes on")
    refused = two.amparo("peer", "resume", one.id, "--reason", "why not", code=None)
    assert refused.returncode != 0 and "is not stopped" in refused.stderr
