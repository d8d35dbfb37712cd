"""Many peers at one node at once: what a connection costs it. The peers are tests/peer's, in Python."""

import pathlib
import subprocess
import sys
import time

from . import processes
from .nodes import NAMES, ROOT, Node, Wrong, wait_for

sys.path.insert(0, str(ROOT / "tests/peer"))

DOMAIN = "crowd.example"


def _cpu_s(pids: dict[str, int]) -> float:
    ticks = 0
    for pid in pids.values():
        words = pathlib.Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        ticks += int(words[11]) + int(words[12])
    return ticks / 100      # USER_HZ


def measure(build: pathlib.Path, folder: pathlib.Path, n: int) -> dict:
    """n peers connect one after the other and stay; what a handshake takes, and what it leaves."""
    from amparo_peer.peer import Peer   # its packages are those of the tests
    names = [f"{DOMAIN}/agency-{i}" for i in range(n)]
    subprocess.run([ROOT / "certs/make-federation", folder / "pki", NAMES[0], *names], check=True,
                   stdin=subprocess.DEVNULL, capture_output=True, timeout=600)
    node = Node(build, folder / "node", folder / "pki", NAMES[0])
    node.config["peers"] = [{"id": f"spiffe://{name}"} for name in names]
    links = []
    try:
        node.init()
        node.start()
        peers = [Peer(folder / "pki", f"spiffe://{name}", node.id) for name in names]
        pids = node.pids()
        # The first one pays for what is made once.
        links.append(peers[0].connect(("127.0.0.1", node.port)))
        before = {role: processes.pss_kib(pid) for role, pid in pids.items()}
        cpu, begin = _cpu_s(pids), time.monotonic()
        links += [peer.connect(("127.0.0.1", node.port)) for peer in peers[1:]]
        wait_for(lambda: node.status()["n_connected"] == n, "all peers to be connected")
        s, cpu = time.monotonic() - begin, _cpu_s(pids) - cpu
        after = {role: processes.pss_kib(pid) for role, pid in pids.items()}
        if n < 2:
            raise Wrong("a crowd is 2 peers at least")
        return {"peers": n, "handshakes_per_s": (n - 1) / s, "cpu_ms_a_handshake": cpu * 1e3 / (n - 1),
                "kib_a_peer": {role: (after[role] - before[role]) / (n - 1) for role in pids},
                "pss_mb": sum(after.values()) / 1024}
    finally:
        for link in links:
            link.session.close()
        node.stop()
