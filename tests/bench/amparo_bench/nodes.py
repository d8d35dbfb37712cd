"""Two agencies on this machine: PKI, configurations, six processes, an agreement in force, records."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time

from . import processes

ROOT = pathlib.Path(__file__).resolve().parents[3]
AGREEMENT = ROOT / "conf/agreements/central-authorities.yaml"
NAMES = ("ochrana.cz.example/central-authority", "ochrana.sk.example/central-authority")
ROLES = ("parent", "gate", "vault")
PIECE_BYTES = 16 << 20     # of a file that is looked through
SLICES, RELEASED = 40, 12       # of a record; of them to the receiver of a request
START_S, END_S, ANSWER_S, LONG_S = 60, 20, 3600, 86400

_PORT = re.compile(r"amparod: notice: listening address=\S+ port=(\d+)")
_READY = re.compile(r"amparod: notice: ready ")


class Wrong(Exception):
    """What was measured is not what should have been."""


def wait_for(condition, what: str, limit_s: float = START_S, every_s: float = 0.01):
    until = time.monotonic() + limit_s
    while not (value := condition()):
        if time.monotonic() > until:
            raise Wrong(f"waited {limit_s} s in vain for {what}")
        time.sleep(every_s)
    return value


class Node:
    """One agency's node."""

    def __init__(self, build: pathlib.Path, folder: pathlib.Path, pki: pathlib.Path, name: str) -> None:
        folder.mkdir(mode=0o700)
        home = pki / "agencies" / name
        self.name, self.id, self.folder, self.build = name, f"spiffe://{name}", folder, build
        self.socket, self.log_file = str(folder / "s"), folder / "log"
        self.config_file = folder / "amparod.yaml"
        self.process: subprocess.Popen | None = None
        self.port = 0
        self.slow_sync_us = 0       # added to each sync of the disk, from the next start on
        self.config = {
            "agency": self.id, "data": str(folder / "data"), "socket": self.socket,
            "node_key": str(folder / "node.key"), "last_signed": str(folder / "last-signed"),
            "tls": {"chain": str(home / "tls.pem"), "key": str(home / "tls.key")},
            "seal": {"chain": str(home / "seal.pem"), "key": str(home / "seal.key")},
            "listen": ["127.0.0.1:0"],
            "trust": [{"domain": country.name, "ca": str(country / "ca.pem"),
                       "crl": str(country / "crl.pem")}
                      for country in sorted((pki / "trust").iterdir())],
            "peers": [],
            # A day's work of an ordinary peer is done here in minutes.
            "limits": {"peer_entries_a_day": 100_000_000, "peer_notes_a_day": 100_000_000,
                       "peer_mib_held": 1 << 20},
            "log": "notice",
        }

    def init(self) -> None:
        self._write_config()
        done = subprocess.run([self.build / "daemon/amparod", "--config", self.config_file, "--init"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise Wrong(f"amparod --init: {done.stderr}")

    def _write_config(self) -> None:
        self.config_file.write_text(json.dumps(self.config, indent=1), "utf-8")   # JSON is YAML too

    def start(self) -> float:
        """Until ready; the seconds it took."""
        self._write_config()
        begin, size = time.monotonic(), self.log_file.stat().st_size if self.log_file.exists() else 0
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [*self._slowed(), self.build / "daemon/amparod", "--config", self.config_file],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def is_ready():
            if self.process.poll() is not None:
                raise Wrong(f"{self.name} does not start; its log is {self.log_file}")
            with open(self.log_file, encoding="utf-8", errors="replace") as log:
                log.seek(size)
                said = log.read()
            if _READY.search(said):
                self.port = int(_PORT.search(said).group(1))
            return _READY.search(said)
        wait_for(is_ready, f"{self.name} to be ready", every_s=0.002)
        return time.monotonic() - begin

    def _slowed(self) -> list[str]:
        """strace beside the node (-D: not above it) that stops it at nothing but at syncs."""
        if not self.slow_sync_us:
            return []
        return ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null",
                "-e", "trace=fsync,fdatasync",
                "-e", f"inject=fsync,fdatasync:delay_exit={self.slow_sync_us}"]

    def pids(self) -> dict[str, int]:
        found = {"parent": self.process.pid}
        for pid in processes.children(self.process.pid):
            words = processes.command_line(pid)
            if len(words) > 3 and words[3] in ROLES:
                found[words[3]] = pid
        if len(found) != len(ROLES):
            raise Wrong(f"{self.name} has only the processes {list(found)}")
        return found

    def stop(self) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def ask(self, *words: str, limit_s: float = ANSWER_S) -> list[dict]:
        """What the command says, a line of JSON a row."""
        done = subprocess.run([self.build / "daemon/amparo", "--socket", self.socket, "--json", *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=limit_s)
        if done.returncode:
            raise Wrong(f"amparo {' '.join(words)}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def status(self) -> dict:
        row, = self.ask("status")
        return row

    def peer(self) -> dict:
        row, = self.ask("peer", "list")
        return row

    def disk_bytes(self) -> int:
        return sum(p.stat().st_size for p in (self.folder / "data").iterdir())


def a_record(i: int) -> dict:
    """A made-up record that is cut into SLICES slices, RELEASED of them for a tracing request."""
    record = {
        "type": "VictimRecord",
        "routing": {"local_reference": f"SYNTHETIC-{i:07d}", "text_language": "eng"},
        "identity": {
            "given_names": [{"seq": 1, "text": f"Given{i}", "script": "Latn"}],
            "family_names": [{"seq": 1, "text": f"Family{i}", "script": "Latn"}],
            "certainty": "stated-by-child", "sex": "female",
            "date_of_birth": {"year": 2010 + i % 10, "month": 1 + i % 12, "precision": "month"},
            "place_of_birth": {"locality": "Senafe", "country": "ERI"},
            "nationalities": ["ERI"], "statelessness": "not-stateless",
        },
        "description": {"height_cm": 120 + i % 50, "eye_colour": "brown", "hair_colour": "black",
                        "build": "slim", "other": "Thin braids.", "languages": ["tir", "amh"]},
        "origin": {"preferred_language": "tir", "interpreter_needed": True,
                   "habitual_residence": "ERI"},
        "contact": {"current_address": {"street": "Via dell'Esempio 12", "postal_code": "92010",
                                        "locality": "Lampedusa", "country": "ITA"},
                    "phones": ["+447700900117"]},
        "care": {"arrangement": "reception-centre", "agency": "Synthetic agency"},
        "health": {"urgent": False, "medication": "None."},
        "views": {"wants": "To live with her brother and to go to school.",
                  "does_not_want": "To be sent back to the camp.", "language": "tir"},
    }
    return record


def _holds(path: pathlib.Path, text: bytes) -> bool:
    """A piece at a time: a database may be larger than the memory."""
    before = b""
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            if text in before + piece:
                return True
            before = piece[1 - len(text):]
    return False


class Pair:
    """Both nodes, connected, the example agreement in force; records at the first of them."""

    def __init__(self, build: pathlib.Path, folder: pathlib.Path, n_records: int) -> None:
        self.folder, self.build = folder, build
        self.records_file = folder / "records"
        subprocess.run([ROOT / "certs/make-federation", folder / "pki", *NAMES], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        self.nodes = [Node(build, folder / f"n{i}", folder / "pki", name)
                      for i, name in enumerate(NAMES)]
        self.sender, self.receiver = self.nodes
        try:
            self._join()
            self._import(n_records)
        except BaseException:
            self.stop()
            raise

    def _join(self) -> None:
        for node in self.nodes:
            node.init()
        self.receiver.config["peers"] = [{"id": self.sender.id}]
        self.receiver.start()
        # Its port stays, so that it is found again after a restart.
        self.receiver.config["listen"] = [f"127.0.0.1:{self.receiver.port}"]
        self.sender.config["peers"] = [{"id": self.receiver.id,
                                        "address": f"127.0.0.1:{self.receiver.port}"}]
        self.sender.start()
        for node in self.nodes:
            node.ask("agreement", "adopt", str(AGREEMENT))
        for node in self.nodes:
            wait_for(lambda n=node: [a["state"] for a in n.ask("agreement", "list")] == ["in-force"],
                     "the agreement in force")

    def _import(self, n: int) -> None:
        lines = "".join(json.dumps(a_record(i)) + "\n" for i in range(n))
        done = subprocess.run([self.build / "tests/bench/driver", "import", self.sender.socket],
                              input=lines, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise Wrong(f"import: {done.stderr}")
        self.records_file.write_text(done.stdout, "ascii")
        self._check_record(done.stdout.split()[0])

    def _check_record(self, record: str) -> None:
        rows = self.sender.ask("referral", "send", "--record", record, "--to", self.receiver.name,
                               "--purpose", "family-tracing", "--basis", "public-task", "--consent",
                               "child", "--preview")
        n = sum(row["n"] for row in rows)
        n_released = sum(row["n"] for row in rows if row.get("released_at") == "request")
        if (n, n_released) != (SLICES, RELEASED):
            raise Wrong(f"a record has {n} slices, of which {n_released} are released, not {SLICES} "
                        f"and {RELEASED}")

    def pids(self) -> list[int]:
        return [pid for node in self.nodes if node.process for pid in node.pids().values()]

    def check_durable(self) -> None:
        """Nothing is given up for speed: each commit waits for the disk, and no body is readable there."""
        for node in self.nodes:
            if node.status()["synchronous"] != "full":
                raise Wrong(f"{node.name} does not commit with synchronous=FULL")
            for file in (node.folder / "data").iterdir():
                if _holds(file, b"SYNTHETIC-"):
                    raise Wrong(f"{file} holds a record in the clear")

    def pss_of(self, node: Node) -> dict[str, int]:
        side = "sender" if node is self.sender else "receiver"
        return {f"{side} {role}": processes.pss_kib(pid) for role, pid in node.pids().items()}

    def pss_kib(self) -> dict[str, int]:
        return self.pss_of(self.sender) | self.pss_of(self.receiver)

    def is_connected(self) -> bool:
        return all(node.peer()["state"] == "connected" for node in self.nodes)

    def bytes_on_the_wire(self) -> int:
        return processes.bytes_received([self.receiver.port])

    def verify(self) -> None:
        """`audit verify` of both ledgers, and that both hold the same of each other."""
        for node, other in (self.nodes, self.nodes[::-1]):
            said, = node.ask("audit", "verify")
            if not said["ok"]:
                raise Wrong(f"audit verify at {node.name}: {said}")
            said, = node.ask("audit", "reconcile", other.name)
            if not said["ok"]:
                raise Wrong(f"audit reconcile at {node.name}: {said}")

    def send(self, **options) -> dict:
        """Run the driver: see driver.c for the options. By time, or by `count`."""
        options.setdefault("seconds", LONG_S)
        words = [f"{key.replace('_', '-')}={value}" for key, value in options.items()]
        words.append("pids=" + ",".join(map(str, self.pids())))
        warm = options.get("warm", 0)
        seconds = LONG_S if "count" in options else options["seconds"]
        driver = subprocess.Popen([self.build / "tests/bench/driver", "send", self.sender.socket,
                                   self.receiver.name, self.records_file, *words],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        try:
            try:
                driver.wait(warm + seconds * 0.8)
            except subprocess.TimeoutExpired:
                pass
            pss = {} if options.get("alone") else self.pss_kib()
            out, said = driver.communicate(timeout=warm + seconds + 120)
        finally:
            driver.kill()
        if driver.returncode:
            raise Wrong(f"driver: {said}")
        return json.loads(out) | {"pss_kib": pss}

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()
