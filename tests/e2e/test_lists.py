"""Lists longer than one piece, from the real daemon: all rows come once and in order while others are added."""

import asyncio
import sys
import threading

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests/soak"))

from amparo_soak.caller import Caller  # noqa: E402
from amparo_soak.words import VICTIM_RECORD, a_child, pb  # noqa: E402

N = 2500                # three pieces of 1,000 rows at most
IN_FLIGHT = 32          # API_IN_FLIGHT_MAX


class Importing:
    """Imports records until this is closed, and at least n."""

    def __init__(self, node):
        self.node, self.ids, self._end = node, [], threading.Event()

    async def _run(self, n):
        caller = await Caller.reach(self.node.config["socket"])
        verb = pb.RecordImport(type=VICTIM_RECORD, record=a_child("l", 1))
        while len(self.ids) < n or not (n or self._end.is_set()):
            replies = await asyncio.gather(*(caller.ask(record_import=verb) for _ in range(IN_FLIGHT)))
            self.ids += [row.record.id.hex() for row, in replies]
        await caller.close()

    def at_least(self, n):
        asyncio.run(self._run(n))

    def __enter__(self):
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(0)))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


def test_long_lists_while_they_grow(one):
    one.start()
    records = Importing(one)
    records.at_least(N)
    n_before = len(records.ids)
    with records:
        listed = [row["id"] for row in one.json("record", "list")]
        audited = one.json("audit", "list")
    assert len(set(listed)) == len(listed) >= n_before
    assert set(records.ids[:n_before]) <= set(listed) <= set(records.ids)
    assert [row["id"] for row in audited] == list(range(len(audited))) and len(audited) > n_before
    # Those that are told of here stand in the same order in both.
    sealed = [row["local"]["record_id"] for row in audited if "record_id" in row.get("local", {})]
    assert sealed[:len(listed)] == listed[:len(sealed)]
    assert len(one.amparo("record", "list").stdout.splitlines()) == 1 + len(records.ids)
    assert one.json("record", "list", "--limit", 1200) == one.json("record", "list")[:1200]
    # The whole of it was said in pieces, none of which had to be cut off.
    assert not one.log_lines("cut off")
