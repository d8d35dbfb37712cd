"""`peer show` and `peer test` between real nodes: what is told of a peer, and which step fails."""

import json
import re
import socket
import threading
import time

import pytest

from conftest import ROOT, free_port, wait_for

EX_DATAERR, EX_UNAVAILABLE = 65, 69
STEPS = ["name", "route", "tls", "certificates", "seal", "agreement"]

AGREEMENT = """\
agreement: shown
parties: [{0}, {1}]
valid: {{from: 2020-01-01, until: 2040-12-31}}
purposes: [child-protection]
rules:
  - {{name: outline, record: VictimRecord, stage: request, fields: [derived], consent: not-required,
     retention_days: 365, onward: none}}
"""


def adopt(nodes, folder):
    file = folder / "agreement.yaml"
    file.write_text(AGREEMENT.format(*sorted(node.id for node in nodes)))
    for node in nodes:
        node.amparo("agreement", "adopt", file)
    for node in nodes:
        wait_for(lambda n=node: [r["state"] for r in n.json("agreement", "list")] == ["in-force"],
                 "the agreement in force")


def send(node, peer):
    record = node.json("record", "import", ROOT / "conf/demo/victim-1.json")[0]["id"]
    return node.json("referral", "send", "--record", record, "--to", peer.id, "--purpose",
                     "child-protection", "--basis", "public-task", "--reason", "test")[0]["id"]


def run_test(node, peer):
    """The rows of a test and the exit code, which must fit."""
    done = node.amparo("--json", "peer", "test", peer, code=None)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == (0 if all(row["ok"] for row in rows) else EX_UNAVAILABLE), done
    return rows


def failed_step(rows):
    """Name and words of the one that failed: it is the last, and those before are in order."""
    assert [row["ok"] for row in rows] == [True] * (len(rows) - 1) + [False], rows
    assert [row["name"] for row in rows] == sorted((row["name"] for row in rows), key=STEPS.index)
    return rows[-1]["name"], rows[-1]["text"]


# --- show -----------------------------------------------------------------------------------------


def test_show(pair, folder):
    one, two = pair
    one.port
    adopt(pair, folder)
    send(two, one)
    wait_for(lambda: two.json("peer", "show", one.name)[0]["n_waiting"] == 0, "the receipt")
    (seen,) = two.json("peer", "show", one.name)
    assert seen["id"] == one.id and seen["state"] == "connected" and seen["role"] == "dialler"
    assert seen["address"] == seen["remote"] == f"127.0.0.1:{one.port}"
    assert seen["fingerprint"] == one.json("status")[0]["fingerprint"]
    assert seen["origin"] == one.json("status")[0]["origin"]
    assert seen["n_offered"] == seen["n_sent"] == seen["n_delivered"] >= 2
    assert seen["received_k"] >= 1 and abs(seen["clock_skew_s"]) <= 1
    assert seen["refusals"] == [] and seen["n_refused"] == seen["n_refused_here"] == 0
    assert "oldest_waiting" not in seen and "last_error" not in seen and "next_dial" not in seen
    # As certs/make-federation makes them: 90 days and two years.
    assert seen["since"][:10] < seen["tls_until"][:10] < seen["seal_until"][:10]
    assert [a["name"] for a in seen["agreements"]] == ["shown"]
    assert seen["agreements"][0]["valid_until"] == "2040-12-31"
    assert seen["n_bytes_held"] > 0 and seen["n_entries_today"] == seen["received_k"]
    (other,) = one.json("peer", "show", two.name)
    assert other["role"] == "listener" and "address" not in other
    assert other["remote"].startswith("127.0.0.1:")
    text = two.amparo("peer", "show", one.name).stdout
    assert re.search(r"^state: +connected$", text, re.M) and seen["agreements"][0]["id"][:12] in text

    # What waits for one that is down.
    assert one.stop() == 0
    wait_for(lambda: two.json("peer", "show", one.name)[0]["state"] != "connected", "the end")
    send(two, one)
    wait_for(lambda: "last_error" in two.json("peer", "show", one.name)[0], "the refused connection")
    (seen,) = two.json("peer", "show", one.name)
    assert "Connection refused" in seen["last_error"]
    assert seen["n_waiting"] >= 1 and seen["oldest_waiting"] > seen["last_contact"]
    assert "next_dial" in seen and "remote" not in seen and "n_sent" not in seen
    one.start()
    two.wait_connected(one)
    wait_for(lambda: two.json("peer", "show", one.name)[0]["n_waiting"] == 0, "the receipt")
    assert "last_error" not in two.json("peer", "show", one.name)[0]


def test_none_of_that_name(one):
    one.start()
    one.amparo("peer", "show", "nobody", code=EX_DATAERR)
    one.amparo("peer", "test", "nobody", code=EX_DATAERR)


# --- test -----------------------------------------------------------------------------------------


def test_all_steps(pair, folder):
    one, two = pair
    name, words = failed_step(run_test(two, one.name))
    assert name == "agreement" and "amparo agreement list" in words
    adopt(pair, folder)
    for node, other in ((one, two), (two, one)):
        rows = run_test(node, other.name)
        assert [(row["name"], row["ok"]) for row in rows] == [(step, True) for step in STEPS]
    text = two.amparo("peer", "test", one.name).stdout
    assert re.match(rf"ok      name          127\.0\.0\.1:{one.port}", text)


@pytest.fixture
def dialler(make_node):
    """dialler(peer, address) -> a node that runs and has that peer there."""
    def make(peer, address, name="two.sk.example/office"):
        node = make_node(name)
        node.add_peer(peer, address)
        node.init()
        node.start()
        return node
    return make


def test_it_connects_when_all_is_well(one, dialler, folder):
    """The test itself makes the session: until then nothing listens, and the node waits long."""
    port = free_port()
    two = dialler(one, f"127.0.0.1:{port}")
    name, words = failed_step(run_test(two, one.name))
    assert name == "route" and f"127.0.0.1:{port}: Connection refused" in words
    one.config["listen"] = [f"127.0.0.1:{port}"]
    one.start()
    rows = run_test(two, one.name)
    name, words = failed_step(rows)
    assert name == "agreement" and len(rows) == len(STEPS)
    two.wait_connected(one)


def test_name(dialler):
    node = dialler("one.cz.example/office", "no-such-host.invalid:1")
    name, words = failed_step(run_test(node, "one.cz.example/office"))
    assert name == "name" and "`address`" in words


def test_without_address(one):
    one.start()
    name, words = failed_step(run_test(one, "two.sk.example/office"))
    assert name == "name" and "it dials this node" in words


@pytest.fixture
def babbler():
    """Something that listens and speaks, but no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"220 mail.example ESMTP\r\n")
                    connection.settimeout(5)
                    try:
                        while connection.recv(4096):
                            pass
                    except OSError:
                        pass
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_tls(babbler, dialler):
    node = dialler("one.cz.example/office", f"127.0.0.1:{babbler}")
    name, words = failed_step(run_test(node, "one.cz.example/office"))
    assert name == "tls" and "does not speak amparo/1" in words


def test_certificates_of_another(one, dialler):
    """At the address is another agency."""
    one.start()
    node = dialler("three.at.example/office", f"127.0.0.1:{one.port}")
    name, words = failed_step(run_test(node, "three.at.example/office"))
    assert name == "certificates" and "not acceptable" in words


def test_certificates_of_ours_are_not_trusted_there(one, dialler):
    """The peer has no CA of this country."""
    one.config["trust"] = [t for t in one.config["trust"] if t["domain"] != "three.at.example"]
    one.start()
    node = dialler(one, True, "three.at.example/office")
    name, words = failed_step(run_test(node, one.name))
    assert name == "certificates" and "did not take this node's certificate" in words


def test_not_among_its_peers(one, dialler):
    one.start()
    node = dialler(one, True, "three.at.example/office")
    name, words = failed_step(run_test(node, one.name))
    assert name in ("certificates", "seal") and "peer" in words
    wait_for(lambda: "last_error" in node.json("peer", "show", one.name)[0] or name == "seal",
             "the error")


def test_another_ledger(one, dialler):
    """One whose database was made anew: to those who knew it, it is another."""
    one.start()
    two = dialler(one, True)
    two.wait_connected(one)
    before = one.json("status")[0]
    one.stop()
    for path in ("data/amparo.db", "node.key", "last-signed"):
        (one.folder / path).unlink()
    # An epoch is a second.
    began = int(before["origin"].rsplit("/", 1)[1])
    wait_for(lambda: time.time() >= began + 1, "another second")
    one.init()
    one.start()
    name, words = failed_step(run_test(two, one.name))
    assert name == "seal" and "fingerprints" in words
