"""A wire between a client and a server that can be cut, go silent, or be cut at one certain answer."""

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass(eq=False)
class _Line:
    """One connection through the proxy: both its ends."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter

    def cut(self) -> None:
        """Without a word: what is on its way is lost, and both ends see a reset."""
        for end in (self.client, self.server):
            end.transport.abort()


@dataclass
class Proxy:
    """Listens on a port of its own and passes everything to `target_port`, until it is told not to."""

    target_port: int
    port: int = 0
    _lines: set[_Line] = field(default_factory=set)
    _answers: dict[bytes, int] = field(default_factory=dict)
    cuts: int = 0

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="proxy", daemon=True)
        self._ready = threading.Event()
        self._thread.start()
        self._ready.wait()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._open = asyncio.Event()
        self._open.set()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        line = _Line(writer, server)
        self._lines.add(line)
        try:
            await asyncio.gather(self._pass(reader, server, line, False), self._pass(server_reader, writer, line, True))
        finally:
            line.cut()
            self._lines.discard(line)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: _Line, is_answer: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                if is_answer and self._is_to_be_cut(data):
                    break
                writer.write(data)
                await writer.drain()
        line.cut()

    def _is_to_be_cut(self, data: bytes) -> bool:
        for words, left in self._answers.items():
            if left and words in data:
                self._answers[words] = left - 1
                self.cuts += 1
                return True
        return False

    # Said by other threads -------------------------------------------------------------------------

    def cut(self) -> None:
        """All connections, at once; new ones are accepted."""
        self._loop.call_soon_threadsafe(lambda: [line.cut() for line in list(self._lines)])

    def silence(self, seconds: float) -> None:
        """Nothing passes either way for so long, and nobody is told: a cable that was pulled."""
        self._loop.call_soon_threadsafe(self._open.clear)
        self._loop.call_soon_threadsafe(self._loop.call_later, seconds, self._open.set)

    def cut_at(self, words: bytes, times: int) -> None:
        """Cuts a connection instead of passing an answer that holds these words: it was done, and nobody knows."""
        self._loop.call_soon_threadsafe(self._answers.__setitem__, words, times)

    def heal(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)
        self._loop.call_soon_threadsafe(self._answers.clear)

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            self._open.set()
            for line in list(self._lines):
                line.cut()
            passing = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*passing, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()
