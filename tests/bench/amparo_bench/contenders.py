"""The brokers that a user would run instead, and our clients of them, where they are installed."""

import json
import os
import pathlib
import shutil
import socket
import subprocess

from .nodes import NAMES, ROOT, Wrong, wait_for

HERE = ROOT / "tests/bench/contenders"
SHARED_SOURCES = [HERE / "contender.c", HERE.parent / "signing.c", HERE.parent / "measure.c"]


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Broker:
    """A broker with mutual TLS 1.3 and its data on disk; its clients use the agencies' certificates."""

    program = ""        # what it is found by
    library = ""        # of the client

    def __init__(self, folder: pathlib.Path, pki: pathlib.Path) -> None:
        self.folder, self.pki = folder, pki
        folder.mkdir()
        self.homes = [pki / "agencies" / name for name in NAMES]
        self.ca = folder / "ca.pem"
        self.ca.write_text("".join((country / "ca.pem").read_text("ascii")
                                   for country in sorted((pki / "trust").iterdir())), "ascii")
        self.client, self.port = folder / "client", _free_port()
        done = subprocess.run(["cc", "-O2", "-std=gnu17", "-D_GNU_SOURCE", "-I", ROOT / "tests",
                               "-o", self.client, HERE / f"{self.source}.c", *SHARED_SOURCES,
                               f"-l{self.library}", "-lssl", "-lcrypto"],
                              capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise Wrong(f"the client of {self.program} does not compile: {done.stderr[-2000:]}")
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        try:
            wait_for(lambda: _accepts(self.port), f"{self.program} to listen", 20)
        except BaseException:
            self.stop()
            raise

    def command(self) -> list:
        raise NotImplementedError

    def run(self, **options) -> dict:
        words = [f"{key.replace('_', '-')}={value}" for key, value in options.items()]
        done = subprocess.run([self.client, f"a={self.homes[0]}", f"b={self.homes[1]}",
                               f"ca={self.ca}", f"port={self.port}", f"pids={self.process.pid}",
                               *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=options["seconds"] + options.get("warm", 0) + 90)
        if done.returncode:
            raise Wrong(f"client of {self.program}: {done.stderr}")
        return json.loads(done.stdout)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Mosquitto(Broker):
    program, source, library = "mosquitto", "mqtt", "mosquitto"

    def command(self) -> list:
        data = self.folder / "data"
        data.mkdir()
        file = self.folder / "mosquitto.conf"
        file.write_text(f"""\
listener {self.port} 127.0.0.1
cafile {self.ca}
certfile {self.homes[1]}/tls.pem
keyfile {self.homes[1]}/tls.key
require_certificate true
use_identity_as_username true
tls_version tlsv1.3
persistence true
persistence_location {data}/
max_inflight_messages 2000
max_queued_messages 0
set_tcp_nodelay true
log_type error
{"user root" if os.geteuid() == 0 else ""}
""", "utf-8")
        return ["mosquitto", "-c", file]


class Nats(Broker):
    program, source, library = "nats-server", "nats", "nats"

    def command(self) -> list:
        file = self.folder / "nats.conf"
        file.write_text(f"""\
host: 127.0.0.1
port: {self.port}
jetstream {{ store_dir: "{self.folder}/data", max_mem: 1GB, max_file: 20GB }}
tls {{ cert_file: "{self.homes[1]}/tls.pem", key_file: "{self.homes[1]}/tls.key", \
ca_file: "{self.ca}", verify: true, timeout: 5 }}
""", "utf-8")
        return ["nats-server", "-c", file]


def is_installed(kind: type[Broker]) -> bool:
    """The broker, and the header and library of its client."""
    if not shutil.which(kind.program, path=os.environ.get("PATH", "") + ":/usr/sbin"):
        return False
    header = {"mosquitto": "mosquitto.h", "nats": "nats/nats.h"}[kind.library]
    return subprocess.run(["cc", "-E", "-x", "c", "-"], input=f"#include <{header}>\n",
                          capture_output=True, text=True, timeout=20).returncode == 0
