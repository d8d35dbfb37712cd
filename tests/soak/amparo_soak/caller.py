"""One connection to a node's local socket: many requests in flight, answers matched by their id."""

import asyncio

from .words import codec, pb

FRAME_MAX = 1 << 20


class Refused(Exception):
    """The node answered that it did not do it."""

    def __init__(self, error) -> None:
        super().__init__(error.text)
        self.code, self.text = error.code, error.text


class Unknown(Exception):
    """The connection ended first: done or not, nobody was told."""


class Caller:
    """Open with Caller.reach(); a request is ask(), which may be awaited later."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._n_asked = 0
        self._waiting: dict[int, tuple[asyncio.Future, list]] = {}
        self.is_gone = False
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def reach(cls, path: str) -> "Caller":
        """Wait until somebody listens behind the path."""
        while True:
            try:
                return cls(*await asyncio.open_unix_connection(path))
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
                await asyncio.sleep(0.01)

    def ask(self, **verb) -> asyncio.Future:
        """Written at once; the future gives the rows, or raises Refused or Unknown."""
        done = asyncio.get_running_loop().create_future()
        if self.is_gone or self._writer.is_closing():
            done.set_exception(Unknown())
            return done
        self._n_asked += 1
        body = codec.encode(pb.ApiRequest(id=self._n_asked, **verb))
        self._waiting[self._n_asked] = done, []
        self._writer.write(len(body).to_bytes(4, "big") + body)
        return done

    async def _read(self) -> None:
        try:
            while True:
                length = int.from_bytes(await self._reader.readexactly(4), "big")
                assert 0 < length <= FRAME_MAX, f"a reply of {length} bytes"
                self._take(pb.ApiReply.FromString(await self._reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.is_gone = True
            for done, _ in self._waiting.values():
                if not done.done():
                    done.set_exception(Unknown())
            self._waiting.clear()
            self._writer.close()

    def _take(self, reply) -> None:
        if reply.id not in self._waiting:
            return   # turned away before the id was read: the connection ends now
        done, rows = self._waiting[reply.id]
        rows.append(reply)
        if reply.more and not reply.HasField("error"):
            return
        del self._waiting[reply.id]
        if done.done():
            return   # whoever asked was cancelled
        if reply.HasField("error"):
            done.set_exception(Refused(reply.error))
        else:
            done.set_result(rows)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
