"""The daemon as processes: command line, --init, start, stop, crash, the walls between the three."""

import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization

from conftest import AMPAROD, is_running, process_status, wait_for

EX_USAGE, EX_CONFIG = 64, 78


def amparod(*words):
    return subprocess.run([AMPAROD, *map(str, words)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20)


# --- command line ---------------------------------------------------------------------------


def test_version_and_help(programs):
    done = amparod("--version")
    assert done.returncode == 0 and re.fullmatch(r"amparod \d+\.\d+\.\d+\n", done.stdout)
    done = amparod("--help")
    assert done.returncode == 0 and "--check-config" in done.stdout


@pytest.mark.parametrize("words", (
    (), ("--config",), ("--init",), ("--what",), ("--config", "x", "--config", "y"),
    ("--config", "x", "--init", "--check-config"), ("--config", "x", "tower")))
def test_wrong_usage(programs, words):
    done = amparod(*words)
    assert done.returncode == EX_USAGE and "--config FILE" in done.stderr


@pytest.mark.parametrize("role", ("gate", "vault"))
def test_a_child_is_not_for_people(programs, role):
    done = amparod("--config", "x", role)
    assert done.returncode == EX_USAGE and "started by amparod itself" in done.stderr


# --- --check-config --------------------------------------------------------------------------


def line_of(node, text):
    lines = node.config_file.read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if text in line)


def check(node, text, where):
    done = node.amparod("--check-config")
    assert done.returncode == EX_CONFIG, done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    assert f"{node.config_file}:{line_of(node, where)}: " in lines[0]
    assert text in lines[0]


def test_check_config_needs_no_init(make_node):
    node = make_node("one.cz.example/office")
    done = node.amparod("--check-config")
    assert done.returncode == 0 and done.stdout == f"{node.config_file}: ok\n" and not done.stderr
    assert sorted(os.listdir(node.folder)) == ["amparod.yaml"]


def test_check_config_says_where(make_node, pki, folder):
    node = make_node("one.cz.example/office")
    good = dict(node.config)

    node.config["colour"] = "blue"
    check(node, "colour", "colour")
    node.config = {**good, "seal": {**good["seal"], "chain": str(folder / "none.pem")}}
    check(node, "No such file", "none.pem")
    open_key = folder / "open.key"
    open_key.write_bytes(pathlib.Path(good["tls"]["key"]).read_bytes())
    open_key.chmod(0o640)
    node.config = {**good, "tls": {**good["tls"], "key": str(open_key)}}
    check(node, "chmod 600", "open.key")
    other = pki.home("two.sk.example/office")
    node.config = {**good, "tls": {"chain": str(other / "tls.pem"), "key": str(other / "tls.key")}}
    check(node, "is of spiffe://two.sk.example/office", "tls.pem")
    node.config = {**good, "tls": {**good["tls"], "key": str(other / "tls.key")}}
    check(node, "tls.key", "tls.key")
    node.config = {**good, "seal": {**good["seal"], "key": str(other / "seal.key")}}
    check(node, "not the key of the seal certificate", "seal.key")
    node.config = {**good, "seal": good["tls"], "tls": good["seal"]}
    assert node.amparod("--check-config").returncode == EX_CONFIG
    node.config = {**good, "trust": [dict(good["trust"][0], crl=good["trust"][1]["crl"]),
                                     *good["trust"][1:]]}
    check(node, good["trust"][0]["domain"], f"domain: {good['trust'][0]['domain']}")


# --- --init ----------------------------------------------------------------------------------


def files(node):
    return {p.relative_to(node.folder): p.read_bytes()
            for p in node.folder.rglob("*") if p.is_file()}


def test_no_start_before_init(make_node):
    node = make_node("one.cz.example/office")
    node.start(ready=False)
    assert node.wait_end() == EX_CONFIG
    assert "--init" in node.log() and "listening" not in node.log()
    assert not (node.folder / "data").exists()


def test_init_makes_private_files_once(make_node):
    node = make_node("one.cz.example/office")
    done = node.init()
    assert not done.stderr and "Keep a copy of the node key" in done.stdout
    assert re.fullmatch(rb"[0-9a-f]{64}\n", (node.folder / "node.key").read_bytes())
    for name, mode in (("node.key", 0o600), ("last-signed", 0o600), ("data", 0o700),
                       ("data/amparo.db", 0o600)):
        assert stat.S_IMODE((node.folder / name).stat().st_mode) == mode, name
    before = files(node)
    done = node.amparod("--init")
    assert done.returncode == EX_CONFIG and "is there already" in done.stderr
    assert files(node) == before


@pytest.mark.parametrize("name", ("node.key", "last-signed", "data/amparo.db"))
def test_init_overwrites_nothing_and_leaves_nothing(make_node, name):
    node = make_node("one.cz.example/office")
    (node.folder / "data").mkdir(mode=0o700)
    (node.folder / name).write_bytes(b"precious")
    assert node.amparod("--init").returncode == EX_CONFIG
    assert {str(p) for p in files(node)} == {"amparod.yaml", name}
    assert (node.folder / name).read_bytes() == b"precious"


@pytest.mark.parametrize("name", ("node.key", "last-signed", "data/amparo.db"))
def test_a_lost_file_is_no_reason_for_a_second_ledger(one, name):
    (one.folder / name).unlink()
    one.start(ready=False)
    assert one.wait_end() == EX_CONFIG
    assert f"{one.folder / name} is missing" in one.log() and "put it back" in one.log()
    assert not (one.folder / name).exists()


def test_another_node_key_is_refused(one):
    (one.folder / "node.key").write_text("ab" * 32 + "\n")
    one.start(ready=False)
    assert one.wait_end() == EX_CONFIG
    assert "the node key does not fit the database" in one.log()


def test_a_torn_last_signed_is_survived(one):
    one.start()
    one.stop()
    path = one.folder / "last-signed"
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    slots = [int.from_bytes(content[at + 8:at + 16], "big") for at in (0, half)]
    at = half * slots.index(max(slots))
    content[at + 40] ^= 1
    path.write_bytes(content)
    one.start()
    assert one.log_lines("half of last-signed is damaged")
    # What was signed last stood in the damaged half: the database is the newer, and goes on.
    assert one.json("status")[0]["state"] == "serving"


# --- start and stop -----------------------------------------------------------------------------


def test_ready_soon_and_three_processes(one):
    one.start()
    assert int(one.wait_log(r"ready .*start_ms=(\d+)").group(1)) < 500
    pids = one.pids()
    assert set(pids) == {"parent", "gate", "vault"}
    for pid in pids.values():
        assert str(one.config_file) in pathlib.Path(f"/proc/{pid}/cmdline").read_text()


def test_walls(one):
    one.start()
    pids = one.pids()
    for role, pid in pids.items():
        assert process_status(pid, "NoNewPrivs") == 1
        # 2: a filter
        assert process_status(pid, "Seccomp") == (0 if role == "parent" else 2)
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"^Max core file size +0 +0 ", limits, re.M)
        # Not dumpable: its files in /proc are root's, whoever runs it.
        open_files = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        has_database = any(name.endswith("/amparo.db") for name in open_files)
        assert has_database == (role == "vault"), open_files
        assert not any(".key" in name or ".pem" in name for name in open_files)
        if role != "parent":
            assert pathlib.Path(f"/proc/{pid}/environ").read_bytes() == b""


def address_space(pid):
    """All private memory of a process that can be written."""
    content = []
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            words = line.split()
            if not words[1].startswith("rw") or words[-1] in ("[vvar]", "[vsyscall]"):
                continue
            first, last = (int(word, 16) for word in words[0].split("-"))
            mem.seek(first)
            try:
                content.append(mem.read(last - first))
            except OSError:
                continue
    return b"".join(content)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can look into a process that is not dumpable")
def test_keys_are_only_where_they_are_used(one):
    one.start()
    pids = one.pids()
    node_key = (one.folder / "node.key").read_text().strip()
    seal, tls = (serialization.load_pem_private_key(
        (one.pki.home(one.name) / f"{name}.key").read_bytes(), None) for name in ("seal", "tls"))
    seal = seal.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw,
                              serialization.NoEncryption())
    # OpenSSL keeps a P-256 key as a number, lowest word first.
    tls = tls.private_numbers().private_value.to_bytes(32, "little")
    pems = {name: (one.pki.home(one.name) / f"{name}.key").read_bytes() for name in ("tls", "seal")}
    for role, pid in pids.items():
        memory = address_space(pid)
        assert len(memory) > 100000
        for name, pem in pems.items():
            # A line of base64 from the middle of the PEM.
            assert pem.splitlines()[1][:40] not in memory, f"{name} key as PEM in {role}"
        assert node_key.encode() not in memory, role
        assert (bytes.fromhex(node_key) in memory) == (role == "vault"), role
        assert (seal in memory) == (role == "vault"), role
        assert (tls in memory) == (role == "gate"), role


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT))
def test_clean_stop(one, number):
    one.start()
    pids = one.pids()
    began = time.monotonic()
    assert one.stop(number) == 0
    assert time.monotonic() - began < 2
    assert not any(is_running(pid) for pid in pids.values())
    assert not os.path.exists(one.config["socket"])
    assert one.log().splitlines()[-1].endswith("notice: stopped")
    assert not one.log_lines(r"^<[0-3]>")
    # The database was closed: no WAL is left to recover.
    assert not (one.folder / "data/amparo.db-wal").exists()


def test_children_leave_signals_to_the_parent(one):
    one.start()
    pids = one.pids()
    for role in ("gate", "vault"):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pids[role], number)
    os.kill(pids["parent"], signal.SIGHUP)
    one.wait_log("SIGHUP has no effect")
    assert one.json("status")[0]["state"] == "serving"
    assert one.pids() == pids


@pytest.mark.parametrize("role", ("gate", "vault"))
def test_a_fallen_child_ends_all(one, role):
    one.start()
    pids = one.pids()
    os.kill(pids[role], signal.SIGKILL)
    assert one.wait_end() not in (0, EX_CONFIG)
    wait_for(lambda: not any(is_running(pid) for pid in pids.values()), "the end of all")
    assert one.log_lines(f"the {role} was ended by signal 9")
    # Crash-only: it starts again, and the socket that was left is replaced.
    one.start()
    assert one.json("status")[0]["state"] == "serving"


def test_children_do_not_outlive_the_parent(one):
    one.start()
    one.kill()
    one.start()


def test_one_node_at_a_time(one, folder):
    one.start()
    done = subprocess.run([AMPAROD, "--config", one.config_file], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert one.json("status")[0]["state"] == "serving"


def test_a_port_in_use_is_said(one, make_node):
    one.start()
    other = make_node("two.sk.example/office")
    other.init()
    other.config["listen"] = [f"127.0.0.1:{one.port}"]
    other.start(ready=False)
    assert other.wait_end() == EX_CONFIG
    assert re.search(r"amparod\.yaml:\d+: cannot listen on 127\.0\.0\.1 port \d+: Address already",
                     other.log())


# --- two nodes ------------------------------------------------------------------------------------


def test_they_find_each_other_again(pair):
    one, two = pair
    port = one.port
    one.kill()
    one.start()
    assert one.port == port
    one.wait_connected(two)
    assert two.stop() == 0
    two.start()
    two.wait_connected(one)
    assert one.stop() == 0 and two.stop() == 0
    for node in pair:
        assert not node.log_lines(r"^<[0-3]>")


def test_a_name_is_resolved(make_node, one):
    try:
        socket.getaddrinfo("localhost", 1)
    except socket.gaierror:
        pytest.skip("this machine does not know localhost: /etc/hosts is missing")
    one.start()
    two = make_node("two.sk.example/office")
    two.add_peer(one, f"localhost:{one.port}")
    two.init()
    two.start()
    two.wait_connected(one)


def test_a_name_that_is_none(make_node):
    node = make_node("two.sk.example/office")
    node.add_peer("one.cz.example/office", "no-such-host.invalid:1")
    node.init()
    node.start()
    node.wait_log("cannot reach a peer.*its host name has no address")


# --- idle -----------------------------------------------------------------------------------------


def pss_kb(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M).group(1))


def switches(pid):
    return (process_status(pid, "voluntary_ctxt_switches"))


def test_idle(pair):
    for node in pair:
        assert sum(pss_kb(pid) for pid in node.pids().values()) < 24 * 1024
    pids = [pid for node in pair for pid in node.pids().values()]
    # A measurement needs its time: what comes of connecting has ended after the first of them.
    rates = []
    for seconds in (1, 5):
        before = sum(map(switches, pids))
        time.sleep(seconds)
        rates.append((sum(map(switches, pids)) - before) / seconds / len(pair))
    assert rates[-1] <= 1, rates
