"""People who chat over wss, and a ledger of what each of them was shown."""

import asyncio
import json
import random
import time
import uuid

import aiohttp


class Ledger:
    """What was acknowledged, and what did not go as promised."""

    def __init__(self):
        # Text of each acknowledged message, by room; when it was acknowledged is of no account.
        self.acknowledged: dict[str, set[str]] = {}
        self.refused: list[str] = []
        self.broken: list[str] = []
        self.comebacks, self.goodbyes = 0, 0
        self.gap_seconds_max = 0.0


class Names(aiohttp.abc.AbstractResolver):
    """Every name leads to the host of the test."""

    def __init__(self, address):
        self.address = address

    async def resolve(self, host, port=0, family=0):
        return [{"hostname": host, "host": self.address, "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self):
        pass


def http(address, tls):
    """A client that believes the test's authority alone."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, resolver=Names(address), limit=0))


async def sign_in(session, domain, name, password):
    async with session.post(f"https://{domain}/login", json={"username": name, "password": password}) as answer:
        said = await answer.json(content_type=None)
        assert answer.status == 200, f"{name} cannot sign in: {answer.status} {said}"
        return said["token"]


def frame(command, body="", **headers):
    lines = [command] + [f"{key.replace('_', '-')}:{value}" for key, value in headers.items()]
    return "\n".join(lines) + "\n\n" + body + "\0"


def parse(text):
    head, _, body = text.lstrip("\n").partition("\n\n")
    command, *lines = head.split("\n")
    return command, dict(line.split(":", 1) for line in reversed(lines)), body.rstrip("\0\n")


class Person:
    """One socket in one room. It comes back whenever it is closed, and resumes behind what it has seen."""

    def __init__(self, crowd, token, room, speaks):
        self.crowd, self.token, self.room, self.speaks = crowd, token, room, speaks
        self.last = 0
        self.seen: dict[str, int] = {}
        # Text by id of what has not been acknowledged yet.
        self.open: dict[str, str] = {}
        self.socket, self.inside = None, asyncio.Event()
        self.left_at = None

    async def live(self):
        while not self.crowd.over:
            try:
                await self.once()
            except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as cause:
                # Whoever was in and lost the socket without a close frame comes back as well, and was not refused.
                if not self.crowd.over and self.socket is None:
                    self.crowd.ledger.refused.append(f"{type(cause).__name__}: {cause}")
            self.socket = None
            self.inside.clear()
            self.left_at = self.left_at or time.monotonic()
            await asyncio.sleep(random.uniform(0.05, 1.0))

    async def once(self):
        url = f"wss://{self.crowd.domain}/ws-stomp"
        async with self.crowd.session.ws_connect(url, protocols=["v12.stomp"], timeout=aiohttp.ClientWSTimeout(ws_close=2)) as socket:
            self.socket = socket
            try:
                await self.enter(socket)
            except ConnectionResetError:
                pass  # It was let in, and told to come again before it had said everything: no refusal, the code is read below.
            while (message := await socket.receive()).type not in GONE:
                if message.type == aiohttp.WSMsgType.TEXT:
                    await self.hear(message.data)
            # The code as it was said: the socket's own is another when the answer to it could not be written any more.
            if message.type == aiohttp.WSMsgType.CLOSE and message.data == 1012:
                self.crowd.ledger.goodbyes += 1

    async def enter(self, socket):
        await socket.send_str(frame("CONNECT", accept_version="1.2", host=self.crowd.domain, token=self.token, heart_beat="0,0"))
        await socket.send_str(frame("SUBSCRIBE", id="e", destination="/user/queue/errors"))
        place = f"/sub/chat/room/{self.room}"
        await socket.send_str(frame("SUBSCRIBE", id="r", destination=place, receipt="in", after=self.last))

    async def hear(self, text):
        if not text.strip("\n"):
            return
        command, headers, body = parse(text)
        if command == "RECEIPT" and headers["receipt-id"] == "in":
            if self.left_at:
                self.crowd.ledger.comebacks += 1
                self.crowd.ledger.gap_seconds_max = max(self.crowd.ledger.gap_seconds_max, time.monotonic() - self.left_at)
                self.left_at = None
            self.inside.set()
            for key, said in list(self.open.items()):
                await self.send(key, said)
        elif command == "RECEIPT":
            said = self.open.pop(headers["receipt-id"], None)
            if said:
                self.crowd.ledger.acknowledged.setdefault(self.room, set()).add(said)
        elif command == "MESSAGE" and headers["subscription"] == "r":
            entry = json.loads(body)
            if entry["offset"] != self.last + 1:
                self.crowd.ledger.broken.append(f"offset {entry['offset']} after {self.last}")
            self.last = entry["offset"]
            if entry["type"] == "TALK":
                self.seen[entry["message"]] = self.seen.get(entry["message"], 0) + 1
        elif command == "MESSAGE":
            self.crowd.ledger.broken.append(f"told: {body}") if json.loads(body)["code"] not in RETRIED else None
        elif command == "ERROR":
            self.crowd.ledger.broken.append(f"ERROR {headers.get('message')}")

    async def send(self, key, said):
        body = json.dumps({"type": "TALK", "roomId": self.room, "message": said})
        try:
            await self.socket.send_str(
                frame("SEND", body, destination="/pub/chat/message", token=self.token, id=key, receipt=key))
        except (aiohttp.ClientError, OSError, AttributeError):
            pass  # It is sent again once it is inside again.

    async def talk(self, pause):
        while not self.crowd.quiet:
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            key = str(uuid.uuid4())
            self.open[key] = f"said {key}"
            if self.inside.is_set():
                await self.send(key, self.open[key])


GONE = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
# Refusals that say: send it again.
RETRIED = ("unavailable", "store_away", "store_back", "gap")


class Crowd:
    """Many people in several rooms, until they are told to go home."""

    def __init__(self, address, domain, tls, tokens, rooms, sockets):
        self.address, self.domain, self.tls = address, domain, tls
        self.tokens, self.rooms, self.sockets = tokens, rooms, sockets
        self.ledger, self.over, self.quiet = Ledger(), False, False

    async def during(self, act, before=2.0, after=2.0, pause=1.0):
        """Lets everybody chat while `act` (which blocks) happens, then compares what everybody has seen."""
        async with http(self.address, self.tls) as self.session:
            people = []
            for at in range(self.sockets):
                who = at % len(self.tokens)
                people.append(Person(self, self.tokens[who], self.rooms[who % len(self.rooms)], at < len(self.tokens)))
            living = [asyncio.create_task(person.live()) for person in people]
            await asyncio.wait_for(asyncio.gather(*(person.inside.wait() for person in people)), 60)
            talking = [asyncio.create_task(person.talk(pause)) for person in people if person.speaks]
            await asyncio.sleep(before)
            loop = asyncio.get_running_loop()
            said = await loop.run_in_executor(None, act)
            await asyncio.sleep(after)
            self.quiet = True
            await asyncio.gather(*talking)
            try:
                await asyncio.wait_for(self.all_is_said(people), 60)
            except asyncio.TimeoutError:
                self.ledger.broken.append("not everything was acknowledged, or shown to everybody, within a minute")
            self.over = True
            for task in living:
                task.cancel()
            await asyncio.gather(*living, return_exceptions=True)
        lost = sum(text not in person.seen for person in people for text in self.ledger.acknowledged.get(person.room, ()))
        doubled = sum(times - 1 for person in people for times in person.seen.values())
        return said, lost, doubled

    async def all_is_said(self, people):
        """Every message is acknowledged, and everybody has come as far as the furthest of the room."""
        while True:
            far = {room: max(person.last for person in people if person.room == room) for room in self.rooms}
            if not any(person.open for person in people) and all(
                person.inside.is_set() and person.last == far[person.room] for person in people
            ):
                return
            await asyncio.sleep(0.05)
