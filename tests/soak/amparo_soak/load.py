"""The clients of one agency: caseworkers who import, send many referrals at once, and decide."""

import asyncio
import random

from .agency import Agency
from .caller import Caller, Refused, Unknown
from .history import LOST, NO, OK, History
from .words import VICTIM_RECORD, a_child, a_referral, pb

BURST_MAX = 32          # API_IN_FLIGHT_MAX: more would just wait
N_SENDERS = 2           # connections of an agency that send
RECORDS_MAX = 200       # of an agency; then all imports are new revisions

TEMPORARY = pb.API_ERROR_CODE_TEMPORARY


class Clients:
    """All clients of one agency. may_send() says how many more referrals may be acknowledged."""

    def __init__(self, agency: Agency, others: list["Clients"], history: History, may_send,
                 seed: str) -> None:
        self.agency, self.others, self.history = agency, others, history
        self._may_send = may_send
        self._seed = seed
        self.records: list[bytes] = []
        self.to_decide: list[bytes] = []    # acknowledged at the sender, and not decided here
        self.n_undecided = 0                # those, and those being asked
        self.is_stopping = False
        self.refused: list[str] = []        # what no node should have refused

    def start(self) -> list[asyncio.Task]:
        return [asyncio.create_task(self._send_all(i)) for i in range(N_SENDERS)] + \
            [asyncio.create_task(self._decide_all())]

    # --- send and import ---

    async def _send_all(self, i: int) -> None:
        rng = random.Random(f"{self._seed}/send/{i}")
        caller = None
        while not self.is_stopping:
            if caller is None or caller.is_gone:
                caller = await Caller.reach(self.agency.socket)
            if not self.records or rng.random() < 0.1:
                await self._import(caller, rng)
                continue
            n = min(rng.randint(1, BURST_MAX), self._may_send())
            if n <= 0:
                await asyncio.sleep(0.01)
                continue
            await asyncio.gather(*(self._send(caller, rng) for _ in range(n)))
        if caller is not None:
            await caller.close()

    async def _import(self, caller: Caller, rng: random.Random) -> None:
        replaces = b""
        if len(self.records) >= RECORDS_MAX or (self.records and rng.random() < 0.3):
            replaces = rng.choice(self.records)
        asked = self.history.asked_import(self.agency.id, replaces)
        verb = pb.RecordImport(type=VICTIM_RECORD,
                               record=a_child(asked.reference, rng.randrange(1000)))
        if replaces:
            verb.replaces = replaces
        try:
            row, = await caller.ask(record_import=verb)
        except Refused as why:
            self.history.told_import(asked, NO)
            self.refused.append(f"import: {why}")
        except Unknown:
            self.history.told_import(asked, LOST)
        else:
            self.history.told_import(asked, OK, row.record.id)
            if not replaces:
                self.records.append(row.record.id)

    async def _send(self, caller: Caller, rng: random.Random) -> None:
        to = rng.choice(self.others)
        asked = self.history.asked_send(self.agency.id, to.agency.id)
        verb = pb.ReferralSend(record_id=rng.choice(self.records), peer=to.agency.id,
                               purpose=pb.PURPOSE_CHILD_PROTECTION,
                               terms=a_referral(asked.token), reason="soak")
        try:
            row, = await caller.ask(referral_send=verb)
        except Refused as why:
            self.history.told_send(asked, NO)
            if why.code != TEMPORARY:
                self.refused.append(f"send: {why}")
            await asyncio.sleep(0.1)
        except Unknown:
            self.history.told_send(asked, LOST)
        else:
            self.history.told_send(asked, OK, row.referral.id)
            to.to_decide.append(row.referral.id)
            to.n_undecided += 1

    # --- decide ---

    async def _decide_all(self) -> None:
        rng = random.Random(f"{self._seed}/decide")
        caller = None
        while True:
            if not self.to_decide:
                await asyncio.sleep(0.02)
                continue
            if caller is None or caller.is_gone:
                caller = await Caller.reach(self.agency.socket)
            batch, self.to_decide = self.to_decide[:BURST_MAX], self.to_decide[BURST_MAX:]
            again = [r for r in await asyncio.gather(*(self._decide(caller, rng, r) for r in batch))
                     if r is not None]
            self.n_undecided -= len(batch) - len(again)
            # Not there yet: those that follow are in all likelihood not there either.
            self.to_decide += again
            if len(again) == len(batch):
                await asyncio.sleep(0.05)

    async def _decide(self, caller: Caller, rng: random.Random, referral: bytes) -> bytes | None:
        """The referral, when it has to be asked again."""
        asked = self.history.decisions.get(referral)
        if asked is None:
            kind = rng.random()
            if kind < 0.1:
                return None             # it stays requested
            state = pb.REFERRAL_STATE_ACCEPTED if kind < 0.8 else pb.REFERRAL_STATE_DECLINED
        else:
            state = asked.state
        asked = self.history.asked_decision(referral, self.agency.id, state)
        verb = pb.ReferralDecide(id=referral, state=state, reason="soak")
        was_lost = asked.result == LOST
        try:
            await caller.ask(referral_decide=verb)
        except Unknown:
            self.history.told_decision(asked, LOST)
            return referral
        except Refused as why:
            return self._undecided(asked, was_lost, why)
        self.history.told_decision(asked, OK)
        return None

    def _undecided(self, asked, was_lost: bool, why: Refused) -> bytes | None:
        if why.code == TEMPORARY or "no referral" in why.text:
            return asked.id             # not received yet; a lost answer stays lost
        if was_lost and "not possible any more" in why.text:
            # The one whose answer was lost had been committed.
            self.history.told_decision(asked, OK)
            return None
        self.history.told_decision(asked, NO)
        self.refused.append(f"decide: {why}")
        return None
