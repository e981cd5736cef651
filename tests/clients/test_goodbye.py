"""aiohttp 3, which writes nothing more once it has read the end of a TLS stream, and calls a close that it could not answer
a broken connection (1006): whether everybody hears why the server goes, and the server goes soon after."""

import asyncio
import collections
import os
import tempfile
import time
import unittest

import aiohttp

PEOPLE = 40
# How long anything may take before a test gives up.
PATIENCE_S = 20
# A stop spreads the goodbyes over that long here; then everybody has answered at once.
SPREAD_S, STOP_S_MAX = 1, 4
# A server waits a second for an answer. A machine that has other things to do may let that pass, but not each time.
TRIES = 4


class Goodbye(unittest.IsolatedAsyncioTestCase):
    async def serve(self, tls):
        """A server of this test's own: the process and its base."""
        data = tempfile.mkdtemp(dir=os.environ["CLIENTS_WORK"])
        settings = {
            "TLS__MODE": tls, "DRAIN_SECONDS": SPREAD_S, "LIMITS__CONNECTS_PER_SECOND": 1000, "LIMITS__CONNECTS_BURST": 1000,
            "LIMITS__CONNECTIONS_PER_ADDRESS_MAX": 1000,
        }
        process = await asyncio.create_subprocess_exec(
            os.environ["CLIENTS_BINARY"], "serve", "--listen", "127.0.0.1:0", "--data", data,
            env={**os.environ, **{f"SARANGBANG_{key}": str(value) for key, value in settings.items()}},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )

        async def end():
            if process.returncode is None:
                process.kill()
                await process.wait()

        self.addAsyncCleanup(end)
        word, base = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)).decode().split()
        self.assertEqual(word, "ready")
        return process, base

    async def codes(self, tls):
        """What each of many is closed with when the server is stopped, and how long that takes."""
        process, base = await self.serve(tls)
        # Its certificate signs itself.
        connector = aiohttp.TCPConnector(ssl=False, limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            opening = (session.ws_connect(f"{base}/ws-stomp", protocols=["v12.stomp"]) for _ in range(PEOPLE))
            sockets = await asyncio.wait_for(asyncio.gather(*opening), PATIENCE_S)
            listening = [asyncio.create_task(socket.receive()) for socket in sockets]
            # All of them wait for something to come.
            await asyncio.sleep(0)
            process.terminate()
            began = time.monotonic()
            await asyncio.wait_for(asyncio.gather(*listening), PATIENCE_S)
            status = await asyncio.wait_for(process.wait(), PATIENCE_S)
            took = time.monotonic() - began
            self.assertEqual(status, 0)
            return collections.Counter(socket.close_code for socket in sockets), took

    async def everybody_hears_1012(self, tls):
        stops = []
        while len(stops) < TRIES:
            codes, took = await self.codes(tls)
            if codes == {1012: PEOPLE} and took < STOP_S_MAX:
                return
            stops.append((codes, took))
        self.fail(f"not once as it should be: {stops}")

    async def test_over_tls_everybody_hears_1012(self):
        await self.everybody_hears_1012("self-signed")

    async def test_without_tls_everybody_hears_1012(self):
        await self.everybody_hears_1012("off")
