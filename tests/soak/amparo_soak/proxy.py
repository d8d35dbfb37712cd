"""The network from one agency to another: a TCP proxy that cuts, refuses, delays and trickles."""

import asyncio

PIECE = 65536
TICK_S = 0.02


class Proxy:
    """Listens on a port of the system's choice; leads to wherever target() says at the moment."""

    def __init__(self, target) -> None:
        self._target = target           # () -> port on loopback, None while it is down
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.heal()

    def heal(self) -> None:
        self.is_refusing = self.is_stalled = False
        self.delay_s = 0.0
        self.bytes_per_s = 0            # 0: as fast as it goes

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=PIECE)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def close(self) -> None:
        self.cut()
        self._server.close()

    async def _accept(self, reader, writer) -> None:
        other = None
        self._open.add(writer)
        try:
            port = None if self.is_refusing else self._target()
            if port is None:
                return
            back, other = await asyncio.open_connection("127.0.0.1", port, limit=PIECE)
            self._open.add(other)
            ways = [asyncio.create_task(self._carry(reader, other)),
                    asyncio.create_task(self._carry(back, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass
        finally:
            for w in (writer, other):
                if w is not None:
                    self._open.discard(w)
                    w.close()

    async def _carry(self, reader, writer) -> None:
        """Until either end goes. What was on its way when the other end closed is lost: as it is
        when a line drops."""
        while True:
            data = await reader.read(PIECE)
            if not data:
                return
            while self.is_stalled:
                await asyncio.sleep(TICK_S)
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            rate = self.bytes_per_s     # 0 once it is healed: then the rest goes at once
            while rate and self.bytes_per_s and len(data) > rate * TICK_S:
                step = max(1, int(rate * TICK_S))
                await self._write(writer, data[:step])
                data = data[step:]
                await asyncio.sleep(TICK_S)
            await self._write(writer, data)

    @staticmethod
    async def _write(writer, data: bytes) -> None:
        if writer.is_closing():
            raise ConnectionResetError
        writer.write(data)
        await writer.drain()
