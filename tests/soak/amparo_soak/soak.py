"""One round: a federation of three is made, loaded, hurt, healed, looked at, and taken away."""

import asyncio
import dataclasses
import itertools
import pathlib
import signal
import subprocess
import time

from . import nemesis
from .agency import ROLES, Agency, Fallen
from .caller import Caller, Refused, Unknown
from .history import LOST, OK, History
from .judge import Findings, Row, View, judge
from .load import Clients
from .proxy import Proxy
from .words import AGREEMENT, MARKER, ROOT, pb

NAMES = ("one.cz.example/office", "two.sk.example/office", "three.at.example/office")
SETTLE_S = 240          # a node that found nobody dials again within a minute
STUCK_S = 15            # all is delivered, and yet some receivers do not know what was acknowledged
ASK_S = 20              # how long a node may say that it cannot yet
ANSWER_S = 120          # from a question to the whole answer: a whole ledger is verified in it
AHEAD = 3               # cycles of load that may run ahead of the kills
MOST_KIB = {"parent": 48 << 10, "gate": 64 << 10, "vault": 192 << 10}
MOST_FILES = 64         # a process: 6 lines, 16 callers, and what it always has
# What a node says in words of alarm, and may not: nobody changed a ledger here.
ALARMS = ("incident", "verification failed", "rolled back", "not believable", "signs nothing",
          "cannot go on")


@dataclasses.dataclass
class Size:
    """How much of it."""
    seed: str
    cycles: int
    referrals: int
    until: float                    # time.monotonic(): then the load ends, whatever was reached
    level: str = "debug"


@dataclasses.dataclass
class Result:
    """What a round came to."""
    seed: str
    cycles: int = 0
    referrals: int = 0              # acknowledged
    unknown: int = 0
    decisions: int = 0
    imports: int = 0
    kills: dict = dataclasses.field(default_factory=dict)
    faults: dict = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    settle_seconds: float = 0.0
    most_kib: dict = dataclasses.field(default_factory=dict)
    entries: int = 0
    lost: list = dataclasses.field(default_factory=list)
    twice: list = dataclasses.field(default_factory=list)
    differ: list = dataclasses.field(default_factory=list)
    other: list = dataclasses.field(default_factory=list)


class Round:
    """Everything of one round."""

    def __init__(self, build: pathlib.Path, folder: pathlib.Path, size: Size, say) -> None:
        self.folder, self.size, self._say = folder, size, say
        self.result = Result(size.seed)
        self.history = History(folder / "history")
        subprocess.run([ROOT / "certs/make-federation", folder / "pki", *NAMES], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        self.agencies = [Agency(build / "daemon/amparod", folder / f"n{i}", folder / "pki", name,
                                size.level) for i, name in enumerate(NAMES)]
        self.proxies: list[Proxy] = []
        self._cycles_done = 0
        self._is_over = False

    # --- the federation ---

    async def _make(self) -> None:
        for one, other in itertools.permutations(self.agencies, 2):
            line = Proxy(lambda other=other: other.port)
            await line.open()
            self.proxies.append(line)
            one.add_peer(other, line.port)
        for agency in self.agencies:
            await agency.init()
            await agency.start()
        for one, other in itertools.combinations(self.agencies, 2):
            file = AGREEMENT.format(*sorted((one.id, other.id))).encode()
            for agency in (one, other):
                await ask_node(agency, agreement_adopt=pb.AgreementAdopt(file=file))
        for agency in self.agencies:
            await wait_until(lambda a=agency: _in_force(a), "the agreements in force", 30)

    def _may_send(self) -> int:
        """The load waits for the kills, as they wait for it."""
        size = self.size
        if self._is_over:
            return 0
        pace = size.referrals * min(1.0, (self._cycles_done + AHEAD) / max(size.cycles, 1))
        return int(pace) - self.history.n_acknowledged

    def _count_kill(self, role: str) -> None:
        self._cycles_done += 1
        self.result.kills[role] = self.result.kills.get(role, 0) + 1

    def _count_fault(self, kind: str) -> None:
        self.result.faults[kind] = self.result.faults.get(kind, 0) + 1

    def _is_done(self) -> bool:
        return self._cycles_done >= self.size.cycles and \
            self.history.n_acknowledged >= self.size.referrals

    def _raise_first(self, tasks: list[asyncio.Task]) -> None:
        """What went wrong in a task, or with a node that nobody touched."""
        for agency in self.agencies:
            if agency.fallen:
                raise Fallen(agency.fallen[0])
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()

    # --- load and hurt ---

    async def _hurt(self, clients: list[Clients]) -> list[asyncio.Task]:
        """Until all is done or the time is over, then heal; the callers go on."""
        size = self.size
        plan = nemesis.plan(size.seed, size.cycles, size.referrals, len(self.agencies))
        killers = [nemesis.Killer(agency, [c for c in plan if c.agency == i],
                                  lambda: self.history.n_acknowledged, self._count_kill)
                   for i, agency in enumerate(self.agencies)]
        killing = [asyncio.create_task(killer.run()) for killer in killers]
        others = [asyncio.create_task(nemesis.pause_some(self.agencies, size.seed,
                                                         self._count_fault)),
                  asyncio.create_task(nemesis.disturb_lines(self.proxies, size.seed,
                                                            self._count_fault))]
        callers = [task for c in clients for task in c.start()]
        try:
            said = time.monotonic()
            while not self._is_done() and time.monotonic() < size.until:
                self._raise_first(killing + others + callers)
                for agency in self.agencies:
                    agency.note_memory()
                if time.monotonic() - said > 10:
                    said = time.monotonic()
                    self._say(f"{self._cycles_done} cycles, {self.history.n_acknowledged} referrals")
                await asyncio.sleep(0.1)
        except BaseException:
            await _cancel(killing + callers)
            raise
        finally:
            self._is_over = True
            for c in clients:
                c.is_stopping = True
            for killer in killers:
                killer.is_stopping = True
            await _cancel(others)
        await asyncio.gather(*killing)
        return callers

    # --- settle ---

    async def _is_quiet(self) -> bool:
        for agency in self.agencies:
            row, = await ask_node(agency, node_status=pb.NodeStatus())
            if row.status.state != "serving":
                raise Fallen(f"{agency.name}: {row.status.state}")
            if row.status.n_waiting or row.status.n_connected != len(NAMES) - 1:
                return False
        return True

    async def _settle(self, clients: list[Clients], callers: list[asyncio.Task]) -> bool:
        """Until all is delivered and decided. What never comes is for the judge to name."""
        begin = since = time.monotonic()
        left = before = None
        while True:
            self._raise_first(callers)
            # Asked first: what is decided after it waits to be delivered.
            left = sum(c.n_undecided for c in clients)
            is_quiet = await self._is_quiet()
            now = time.monotonic()
            if is_quiet and left == 0:
                return True
            if not is_quiet or left != before:
                before, since = left, now
            if now - since > STUCK_S or now - begin > SETTLE_S:
                self.result.other.append(f"not settled after {now - begin:.0f} s: quiet {is_quiet}, "
                                         f"{left} referrals cannot be decided")
                return False
            await asyncio.sleep(0.05)

    # --- look ---

    async def _look(self, is_settled: bool) -> None:
        result, views = self.result, {}
        for agency in self.agencies:
            views[agency.id] = await view_of(agency)
            own, = await ask_node(agency, audit_verify=pb.AuditVerify())
            result.entries += own.verify.n_entries
            self._note_verified(agency, own.verify)
            for other in self.agencies:
                if other is agency:
                    continue
                theirs, = await ask_node(agency, audit_verify=pb.AuditVerify(peer=other.id))
                self._note_verified(agency, theirs.verify)
                if is_settled:
                    await self._reconcile(agency, other)
        found: Findings = judge(self.history, views)
        result.lost += found.lost
        result.twice += found.twice
        result.differ += found.differ

    def _note_verified(self, agency: Agency, verify) -> None:
        if not verify.ok or verify.n_entries == 0:
            self.result.differ.append(f"{agency.name}: {verify.name} at {verify.bad_index}: "
                                      f"{verify.problem}")

    async def _reconcile(self, agency: Agency, other: Agency) -> None:
        row, = await ask_node(agency, audit_reconcile=pb.AuditReconcile(peer=other.id))
        r = row.reconcile
        if not r.ok or r.sent_k != r.sent_held or r.received_k != r.received_written:
            self.result.differ.append(
                f"{agency.name} and {other.name}: sent {r.sent_k}, held {r.sent_held}; received "
                f"{r.received_k}, written {r.received_written}: {r.problem}")

    def _look_at_processes(self) -> None:
        other = self.result.other
        for agency in self.agencies:
            agency.note_memory()
            if sorted(agency.running()) != sorted(agency.pids().values()) or \
                    len(agency.pids()) != len(ROLES):
                other.append(f"{agency.name}: processes {agency.running()}, of them its own "
                             f"{agency.pids()}")
            for role, n in agency.count_open_files().items():
                if n > MOST_FILES:
                    other.append(f"{agency.name}: {n} open files in its {role}")
            for role, kib in agency.most_kib.items():
                self.result.most_kib[role] = max(self.result.most_kib.get(role, 0), kib)
                if kib > MOST_KIB[role]:
                    other.append(f"{agency.name}: {kib} KiB in its {role}")

    def _look_at_files(self) -> None:
        for agency in self.agencies:
            for path in sorted(p for p in agency.folder.rglob("*") if p.is_file()):
                if holds(path, MARKER.encode()):
                    self.result.other.append(f"personal data in {path}")
            with open(agency.log_file, encoding="utf-8", errors="replace") as log:
                for line in log:
                    if any(word in line for word in ALARMS):
                        self.result.other.append(f"{agency.name} says: {line.strip()}")

    # --- all of it ---

    async def _run(self) -> None:
        await self._make()
        clients = [Clients(agency, [], self.history, self._may_send, f"{self.size.seed}/{i}")
                   for i, agency in enumerate(self.agencies)]
        for c in clients:
            c.others = [o for o in clients if o is not c]
        callers = await self._hurt(clients)
        begin = time.monotonic()
        is_settled = await self._settle(clients, callers)
        await _cancel(callers)
        self.result.settle_seconds = round(time.monotonic() - begin, 1)
        self._look_at_processes()
        await self._look(is_settled)
        self.result.other += [text for c in clients for text in c.refused]
        for agency in self.agencies:
            await agency.end("parent", signal.SIGTERM)
        self._look_at_files()

    async def run(self) -> Result:
        begin = time.monotonic()
        try:
            await self._run()
        except Fallen as why:
            self.result.other.append(str(why))
        finally:
            for agency in self.agencies:
                await agency.drop()
            for line in self.proxies:
                await line.close()
            self.history.close()
        result, history = self.result, self.history
        result.cycles, result.referrals = self._cycles_done, history.n_acknowledged
        result.unknown = history.count(LOST)
        result.decisions = sum(d.result == OK for d in history.decisions.values())
        result.imports = sum(i.result == OK for i in history.imports)
        result.seconds = round(time.monotonic() - begin, 1)
        return result


async def _cancel(tasks: list[asyncio.Task]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def wait_until(condition, what: str, limit_s: float) -> None:
    until = time.monotonic() + limit_s
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return
        if time.monotonic() > until:
            raise Fallen(f"waited {limit_s} s in vain for {what}")
        await asyncio.sleep(0.05)


async def ask_node(agency: Agency, **verb) -> list:
    """One request on a connection of its own; asked again while the node cannot yet."""
    until = time.monotonic() + ASK_S
    while True:
        try:
            caller = await asyncio.wait_for(Caller.reach(agency.socket), ASK_S)
        except asyncio.TimeoutError:
            raise Fallen(f"{agency.name} is not there to be asked {list(verb)}") from None
        try:
            return await asyncio.wait_for(caller.ask(**verb), ANSWER_S)
        except Refused as why:
            if why.code not in (pb.API_ERROR_CODE_TEMPORARY, pb.API_ERROR_CODE_UNAVAILABLE) or \
                    time.monotonic() > until:
                raise Fallen(f"{agency.name} refuses {list(verb)}: {why}") from None
        except (Unknown, asyncio.TimeoutError):
            raise Fallen(f"{agency.name} does not answer {list(verb)}") from None
        finally:
            await caller.close()
        await asyncio.sleep(0.05)


async def ask_list(agency: Agency, verb: str, ask) -> list:
    """All rows of a list, piece after piece."""
    rows = []
    while True:
        replies = await ask_node(agency, **{verb: ask})
        rows += replies[:-1]
        if not replies[-1].HasField("next"):
            return rows
        ask.page.after.CopyFrom(replies[-1].next)


async def _in_force(agency: Agency) -> bool:
    rows = await ask_node(agency, agreement_list=pb.AgreementList())
    return [r.agreement.state for r in rows if r.HasField("agreement")] == \
        ["in-force"] * (len(NAMES) - 1)


async def view_of(agency: Agency) -> View:
    view = View()
    for side, rows in ((pb.LIST_SIDE_OUT, view.sent), (pb.LIST_SIDE_IN, view.received)):
        for reply in await ask_list(agency, "referral_list", pb.ReferralList(side=side)):
            r = reply.referral
            rows.append(Row(r.id, r.peer, r.reply_by_us, r.state, r.n_disclosed, r.delivery))
    for reply in await ask_list(agency, "record_list", pb.RecordList()):
        view.records.append((reply.record.id, reply.record.revision))
    for reply in await ask_list(agency, "audit_list", pb.AuditList()):
        if reply.audit.kind == pb.ENTRY_KIND_REFERRAL:
            view.written.append(reply.audit.leaf)
        elif reply.audit.kind == pb.ENTRY_KIND_STATUS:
            view.decided.append(reply.audit.answers)
    return view


def holds(path: pathlib.Path, what: bytes) -> bool:
    rest = b""
    with open(path, "rb") as f:
        while piece := f.read(1 << 20):
            if what in rest + piece:
                return True
            rest = piece[-len(what):]
    return False
