"""One agency's node: its folder, its configuration, its three processes."""

import asyncio
import json
import os
import pathlib
import re
import signal
import time

START_S = 60            # until it is ready; a ledger of 100,000 entries takes a second
END_S = 20              # from the death of one process to the end of the other two
ROLES = ("parent", "gate", "vault")

_PORT = re.compile(r"amparod: notice: listening address=\S+ port=(\d+)")
_READY = re.compile(r"amparod: notice: ready ")


class Fallen(AssertionError):
    """A node did what nobody made it do."""


def process_status(pid: int, key: str) -> int | None:
    """A number of /proc/PID/status."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    found = re.search(rf"^{key}:\s+(\d+)", text, re.M)
    return int(found.group(1)) if found else None


class Agency:
    """Started and killed by the nemesis; whoever calls it meanwhile just loses the connection."""

    def __init__(self, amparod: pathlib.Path, folder: pathlib.Path, pki: pathlib.Path,
                 name: str, level: str) -> None:
        folder.mkdir()
        self.name, self.id, self.folder = name, f"spiffe://{name}", folder
        self.socket = str(folder / "s")
        self.config_file, self.log_file = folder / "amparod.yaml", folder / "log"
        self.port: int | None = None
        self.n_starts = 0
        self.most_kib = dict.fromkeys(ROLES, 0)
        self.environment: dict[str, str] | None = None  # None: that of the test
        self._amparod = amparod
        self._process: asyncio.subprocess.Process | None = None
        self._is_wanted = False         # an end now is one that nobody asked for
        self._watcher: asyncio.Task | None = None
        self.fallen: list[str] = []
        home = pki / "agencies" / name
        self._config = {
            "agency": self.id, "data": str(folder / "data"), "socket": self.socket,
            "node_key": str(folder / "node.key"), "last_signed": str(folder / "last-signed"),
            "tls": {"chain": str(home / "tls.pem"), "key": str(home / "tls.key")},
            "seal": {"chain": str(home / "seal.pem"), "key": str(home / "seal.key")},
            "listen": ["127.0.0.1:0"],
            "trust": [{"domain": country.name, "ca": str(country / "ca.pem"),
                       "crl": str(country / "crl.pem")}
                      for country in sorted((pki / "trust").iterdir())],
            "peers": [], "log": level,
        }

    def add_peer(self, other: "Agency", port: int) -> None:
        self._config["peers"].append({"id": other.id, "address": f"127.0.0.1:{port}"})

    # --- life ---

    async def init(self) -> None:
        # JSON is YAML too.
        self.config_file.write_text(json.dumps(self._config, indent=1), encoding="utf-8")
        process = await self._spawn("--init")
        if await process.wait() != 0:
            raise Fallen(f"amparod --init failed; the log is {self.log_file}")

    async def _spawn(self, *words: str) -> asyncio.subprocess.Process:
        with open(self.log_file, "ab") as log:
            return await asyncio.create_subprocess_exec(
                self._amparod, "--config", self.config_file, *words,
                env=self.environment, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log)

    async def start(self, give_up_after_s: float | None = None) -> bool:
        """Until ready; False when give_up_after_s came first (it may be killed in the middle)."""
        assert self._process is None
        begin = self.log_file.stat().st_size
        self._process = await self._spawn()
        self.n_starts += 1
        self._is_wanted = True
        self._watcher = asyncio.create_task(self._watch(self._process))
        until = time.monotonic() + (START_S if give_up_after_s is None else give_up_after_s)
        while time.monotonic() < until:
            with open(self.log_file, encoding="utf-8", errors="replace") as log:
                log.seek(begin)
                said = log.read()
            if _READY.search(said):
                self.port = int(_PORT.search(said).group(1))
                return True
            if self._process.returncode is not None:
                raise Fallen(f"{self.name} does not start: {said[-2000:]}")
            await asyncio.sleep(0.01)
        if give_up_after_s is None:
            raise Fallen(f"{self.name} is not ready after {START_S} s: {said[-2000:]}")
        return False

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        if self._is_wanted and process is self._process:
            self.fallen.append(f"{self.name} ended by itself with {code}; its log is {self.log_file}")

    def pids(self) -> dict[str, int]:
        """Of the processes that run as what they are; during a start there are fewer."""
        if self._process is None or self._process.returncode is not None:
            return {}
        found = {"parent": self._process.pid}
        parent = self._process.pid
        try:
            children = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii")
        except (FileNotFoundError, ProcessLookupError):
            return found
        for pid in map(int, children.split()):
            words = _command_line(pid)
            if len(words) > 3 and words[3] in ROLES:
                found[words[3]] = pid
        return found

    def hit(self, role: str, number: int) -> bool:
        """By a handle on the process, so that no other one can be hit."""
        pid = self.pids().get(role)
        if pid is None:
            return False
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            if self.pids().get(role) != pid:
                return False
            signal.pidfd_send_signal(handle, number)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)

    async def end(self, role: str, number: int = signal.SIGKILL) -> None:
        """End one process: the other two have to follow. A paused one is killed all the same."""
        self.note_memory()
        self._is_wanted = False
        self.port = None
        process = self._process
        if not self.hit(role, number):
            self.hit("parent", signal.SIGKILL)
        for other in ROLES:             # a paused parent notices nothing
            self.hit(other, signal.SIGCONT)
        try:
            await asyncio.wait_for(process.wait(), END_S)
        except asyncio.TimeoutError:
            raise Fallen(f"{self.name}: the parent goes on without its {role}") from None
        await self._watcher
        self._process = None
        until = time.monotonic() + END_S
        while left := self.running():
            if time.monotonic() > until:
                raise Fallen(f"{self.name}: processes {left} outlive their parent")
            await asyncio.sleep(0.005)

    async def drop(self) -> None:
        """At the end of a round, whatever state it is in."""
        if self._process is not None:
            self._is_wanted = False
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
        for pid in self.running():      # what outlived it has been told of
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    # --- what is seen of it ---

    def running(self) -> list[int]:
        """Every process with this configuration on its command line, but for zombies."""
        path = str(self.config_file)
        return [int(p) for p in os.listdir("/proc")
                if p.isdigit() and path in _command_line(int(p))]

    def note_memory(self) -> None:
        for role, pid in self.pids().items():
            self.most_kib[role] = max(self.most_kib[role], process_status(pid, "VmHWM") or 0)

    def count_open_files(self) -> dict[str, int]:
        return {role: len(os.listdir(f"/proc/{pid}/fd")) for role, pid in self.pids().items()}


def _command_line(pid: int) -> list[str]:
    """Empty for a zombie and for what is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []
