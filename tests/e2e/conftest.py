"""Real amparod and amparo processes for the end-to-end tests: a PKI, nodes, their logs.

Everything waits for a condition, never for a time; ports are chosen by the system and read from the
log. AMPARO_BUILD names the build folder (default: build/gcc).
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/peer"))   # amparo_peer
BUILD = pathlib.Path(os.environ.get("AMPARO_BUILD", ROOT / "build/gcc"))
AMPARO = BUILD / "daemon/amparo"
AMPAROD = BUILD / "daemon/amparod"
WAIT_S = 20

not_quick = pytest.mark.skipif("AMPARO_QUICK" in os.environ, reason="not with --quick")


def wait_for(condition, what, timeout=WAIT_S):
    """The first true value of condition()."""
    until = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < until, f"waited {timeout} s in vain for {what}"
        time.sleep(0.01)


class Pki:
    """certs/make-federation's output: <trust domain>/<agency> by name."""

    def __init__(self, folder, names):
        self.folder = folder
        subprocess.run([ROOT / "certs/make-federation", folder, *names], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=120)

    def home(self, name):
        return self.folder / "agencies" / name

    def trust(self):
        return [{"domain": country.name, "ca": str(country / "ca.pem"),
                 "crl": str(country / "crl.pem")}
                for country in sorted((self.folder / "trust").iterdir())]


def process_status(pid, key):
    """A number of /proc/PID/status; None when there is no such process."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(re.search(rf"^{key}:\s+(\d+)", text, re.M).group(1))


def is_running(pid):
    """A zombie does not run."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Node:
    """One node: its folder, its configuration, and while it runs its processes."""

    def __init__(self, folder, pki, name):
        self.folder, self.pki, self.name = folder, pki, name
        self.id = f"spiffe://{name}"
        self.process = None
        self.n_starts = 0
        folder.mkdir(parents=True)
        agency = pki.home(name)
        self.config = {
            "agency": self.id,
            "data": str(folder / "data"),
            "socket": str(folder / "s"),
            "node_key": str(folder / "node.key"),
            "last_signed": str(folder / "last-signed"),
            "tls": {"chain": str(agency / "tls.pem"), "key": str(agency / "tls.key")},
            "seal": {"chain": str(agency / "seal.pem"), "key": str(agency / "seal.key")},
            "listen": ["127.0.0.1:0"],
            "trust": pki.trust(),
            "peers": [],
            "log": "debug",
        }

    @property
    def config_file(self):
        return self.folder / "amparod.yaml"

    @property
    def log_file(self):
        return self.folder / f"log.{self.n_starts}"

    def add_peer(self, other, address=None):
        """other: a Node or a name; address: 'host:port', or True for the other's real port."""
        name = other if isinstance(other, str) else other.name
        peer = {"id": f"spiffe://{name}"}
        if address is True:
            address = f"127.0.0.1:{other.port}"
        if address:
            peer["address"] = address
        self.config["peers"].append(peer)

    def write_config(self):
        self.config_file.write_text(yaml.safe_dump(self.config, sort_keys=False))

    def amparod(self, *words):
        """Run to its end, whatever comes of it."""
        self.write_config()
        return subprocess.run([AMPAROD, "--config", self.config_file, *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def init(self):
        done = self.amparod("--init")
        assert done.returncode == 0, done.stderr
        return done

    def start(self, ready=True):
        assert self.process is None
        self.write_config()
        self.n_starts += 1
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen([AMPAROD, "--config", self.config_file],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if ready:
            self.wait_log(r"amparod: notice: ready ")

    def log(self):
        return self.log_file.read_text()

    def log_lines(self, pattern):
        return [line for line in self.log().splitlines() if re.search(pattern, line)]

    def wait_log(self, pattern, count=1, timeout=WAIT_S):
        """The first match of pattern once the log has count lines with it."""
        def look():
            found = self.log_lines(pattern)
            if len(found) >= count:
                return re.search(pattern, found[0])
            assert self.process.poll() is None or not self.log_lines(pattern) or count > 1, \
                "the daemon ended"
            return None
        try:
            return wait_for(look, f"'{pattern}' in the log of {self.name}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; the log:\n{self.log()}") from None

    @property
    def port(self):
        """The real port, kept for later starts so that peers find it again."""
        port = int(self.wait_log(r"listening address=\S+ port=(\d+)").group(1))
        self.config["listen"] = [f"127.0.0.1:{port}"]
        return port

    def pids(self):
        """Of parent, gate and vault."""
        parent = self.process.pid
        found = {"parent": parent}
        for pid in pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            found[words[-2].decode()] = int(pid)
        return found

    def wait_end(self, timeout=WAIT_S):
        code = self.process.wait(timeout)
        self.process = None
        return code

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.wait_end()

    def kill(self):
        """-9 to the parent; the children follow."""
        children = self.pids()
        self.process.kill()
        self.wait_end()
        wait_for(lambda: not any(is_running(pid) for pid in children.values()), "the children's end")

    def amparo(self, *words, code=0, **options):
        """The command on this node's socket; its result, whose exit code is checked."""
        done = subprocess.run([AMPARO, "--socket", self.config["socket"], *map(str, words)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              **options)
        assert code is None or done.returncode == code, f"{words}: {done.stdout}{done.stderr}"
        return done

    def json(self, *words):
        """Its --json output: a list of objects, one a line."""
        return [json.loads(line) for line in self.amparo("--json", *words).stdout.splitlines()]

    def wait_connected(self, other):
        def is_connected():
            rows = self.json("peer", "list")
            return any(row["id"] == other.id and row["state"] == "connected" for row in rows)
        wait_for(is_connected, f"{self.name} connected to {other.name}")


@pytest.fixture(scope="session")
def programs():
    for program in (AMPARO, AMPAROD):
        assert program.exists(), f"{program} is missing: build first, or set AMPARO_BUILD"


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    """Three countries; nobody.sk is an agency that no node knows."""
    return Pki(tmp_path_factory.mktemp("pki") / "fed",
               ["one.cz.example/office", "two.sk.example/office", "two.sk.example/nobody",
                "three.at.example/office"])


@pytest.fixture
def folder():
    """Short, since a socket's path has at most 107 bytes, and open to other users."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="amparo-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def make_node(programs, pki, folder):
    """make_node(name) -> Node, not yet made; all are ended with the test."""
    nodes = []

    def make(name, pki=pki):
        node = Node(folder / f"n{len(nodes)}", pki, name)
        nodes.append(node)
        return node
    yield make
    for node in nodes:
        if node.process is not None:
            node.process.kill()
            node.process.wait()


@pytest.fixture
def one(make_node):
    """A node that was made and does not run."""
    node = make_node("one.cz.example/office")
    node.add_peer("two.sk.example/office")
    node.init()
    return node


@pytest.fixture
def pair(make_node, one):
    """Two nodes that run and are connected; the second dials."""
    one.start()
    two = make_node("two.sk.example/office")
    two.add_peer(one, True)
    two.init()
    two.start()
    one.wait_connected(two)
    two.wait_connected(one)
    return one, two


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
