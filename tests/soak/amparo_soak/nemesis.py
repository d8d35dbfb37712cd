"""What goes wrong: processes are killed and paused, lines are cut, refused, delayed, stalled, trickled.

Each nemesis draws from a generator of its own, so that one seed gives each the same plan however
the others and the machine run.
"""

import asyncio
import dataclasses
import random
import signal

from .agency import ROLES, Agency
from .proxy import Proxy

UP_MAX_S = 1.0
PAUSE_MAX_S = 1.0
LINE_MAX_S = 1.0


@dataclasses.dataclass(frozen=True)
class Cycle:
    """One kill -9 and the start after it."""
    agency: int
    after_referrals: int        # acknowledged
    up_s: float                 # since the last start
    role: str
    starting_s: float | None    # so far the start may get; None: until it is ready


def plan(seed: str, n_cycles: int, n_referrals: int, n_agencies: int) -> list[Cycle]:
    """One Cycle after the other.

    One in eight is killed again in the middle of the start that follows.
    """
    rng = random.Random(f"{seed}/plan")
    found = []
    for i in range(n_cycles):
        at = int((i + rng.random()) / n_cycles * n_referrals)
        early = rng.uniform(0.0, 0.15) if rng.random() < 0.125 else None
        found.append(Cycle(rng.randrange(n_agencies), at, rng.uniform(0.0, UP_MAX_S),
                           rng.choice(ROLES), early))
    return found


class Killer:
    """The kill -9 of one agency: one task, so that each end is followed by a start.

    Told to stop, it leaves the agency up.
    """

    def __init__(self, agency: Agency, cycles: list[Cycle], n_acknowledged, done) -> None:
        self._agency, self._cycles = agency, cycles
        self._n_acknowledged, self._done = n_acknowledged, done
        self.is_stopping = False

    async def run(self) -> None:
        is_up = True
        for cycle in self._cycles:
            while self._n_acknowledged() < cycle.after_referrals and not self.is_stopping:
                await asyncio.sleep(0.01)
            if self.is_stopping:
                break
            if is_up:
                await asyncio.sleep(cycle.up_s)
            # In the middle of a start the parent alone is sure to be there.
            role = cycle.role if is_up else "parent"
            await self._agency.end(role)
            self._done(role)
            is_up = await self._agency.start(cycle.starting_s)
        if not is_up:
            await self._agency.end("parent")
            await self._agency.start()


async def pause_some(agencies: list[Agency], seed: str, count) -> None:
    """SIGSTOP one process for a while, again and again."""
    rng = random.Random(f"{seed}/pause")
    while True:
        await asyncio.sleep(rng.uniform(0.05, 1.0))
        agency, role = rng.choice(agencies), rng.choice(ROLES)
        try:
            if agency.hit(role, signal.SIGSTOP):
                count("pauses")
            await asyncio.sleep(rng.uniform(0.02, PAUSE_MAX_S))
        finally:
            agency.hit(role, signal.SIGCONT)


async def disturb_lines(proxies: list[Proxy], seed: str, count) -> None:
    """One line after the other; what was done to it is healed before the next."""
    rng = random.Random(f"{seed}/lines")
    while True:
        await asyncio.sleep(rng.uniform(0.02, 0.3))
        line, kind = rng.choice(proxies), rng.choice(("cut", "refuse", "delay", "stall", "trickle"))
        for_s = rng.uniform(0.05, LINE_MAX_S)
        if kind == "delay":
            line.delay_s = rng.uniform(0.001, 0.3)
        elif kind == "stall":
            line.is_stalled = True
        elif kind == "trickle":
            line.bytes_per_s = rng.choice((200, 2000, 20000, 200000))
        elif kind == "refuse":
            line.is_refusing = True
        if kind in ("cut", "refuse") or rng.random() < 0.3:
            line.cut()
        count(kind)
        try:
            await asyncio.sleep(0 if kind == "cut" else for_s)
        finally:
            line.heal()
