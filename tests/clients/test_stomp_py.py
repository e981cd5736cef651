"""stomp.py 9 over its WSStompConnection, which speaks STOMP 1.2 and begins with the frame STOMP."""

import json
import os
import queue
import struct
import subprocess
import threading
import time
import unittest
from urllib.parse import urlsplit

import stomp
import websocket
from stomp.adapter.ws import WSStompConnection

URL = urlsplit(os.environ["CLIENTS_URL"])
MINSU, JIYEON = "minsu-stomp.py", "jiyeon-stomp.py"
SEND = "/pub/chat/message"
# How long anything may take before a test gives up; nothing waits it out when all is well.
PATIENCE_S = 20
# Longer than two intervals: after that much silence the server hangs up on a client that sends no heart-beats.
SILENCE_S = 25


def command(*args):
    args = [os.environ["CLIENTS_BINARY"], *args, "--data", os.environ["CLIENTS_DATA"]]
    done = subprocess.run(args, cwd=os.environ["CLIENTS_WORK"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def token(name):
    return command("token", "issue", name)


def new_room():
    return json.loads(command("room", "create", "사랑방", "--json"))["roomId"]


class Person(stomp.ConnectionListener):
    """Somebody with a connection; frames wait in `frames` until they are taken."""

    def __init__(self, name, heartbeats=(0, 0)):
        self.token = token(name)
        self.frames = queue.Queue()
        self.beats_in = self.beats_out = 0
        self.close_code = None
        self.gone = threading.Event()
        self.connection = WSStompConnection(
            [(URL.hostname, URL.port)], ws_path="/ws-stomp", heartbeats=heartbeats, reconnect_attempts_max=1
        )
        self.connection.set_listener("person", self)
        self.watch()

    def watch(self):
        """It hides how a socket was closed: look at the close frame before it does."""
        transport = self.connection.transport
        attempt = transport.attempt_connection

        def attempt_watched():
            attempt()
            receive = transport.socket.recv_data

            def receive_watched():
                opcode, data = receive()
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    self.close_code = struct.unpack("!H", data[:2])[0]
                return opcode, data

            transport.socket.recv_data = receive_watched

        transport.attempt_connection = attempt_watched

    def on_connected(self, frame):
        self.frames.put(frame)

    on_message = on_receipt = on_error = on_connected

    def on_heartbeat(self):
        self.beats_in += 1

    def on_send(self, frame):
        if frame.cmd is None:
            self.beats_out += 1

    def on_disconnected(self):
        self.gone.set()

    def connect(self, **headers):
        self.connection.connect(wait=True, headers=headers or {"token": self.token})
        return self.next("CONNECTED").headers

    def next(self, *commands):
        """The next frame of these commands; others before it are dropped."""
        while True:
            frame = self.frames.get(timeout=PATIENCE_S)
            if frame.cmd in commands:
                return frame

    def entry(self):
        return json.loads(self.next("MESSAGE").body)

    def subscribe(self, room, id="room", ack="auto", **headers):
        self.connection.subscribe(f"/sub/chat/room/{room}", id, ack, headers=headers)

    def say(self, room, message, **headers):
        body = json.dumps({"type": "TALK", "roomId": room, "message": message}, ensure_ascii=False)
        self.connection.send(SEND, body, headers={"token": self.token, **headers})

    def drop(self):
        """As a network does it: no DISCONNECT, no close frame."""
        self.connection.transport.socket.sock.close()


class StompPy(unittest.TestCase):
    def person(self, name, **more):
        person = Person(name, **more)
        self.addCleanup(lambda: person.connection.disconnect() if person.connection.is_connected() else None)
        person.connect()
        return person

    def inside(self, name, room, **more):
        person = self.person(name, **more)
        person.subscribe(room)
        self.assertEqual(person.entry()["type"], "ENTER")
        return person

    def test_the_token_says_who_somebody_is_in_the_header_token_and_as_the_passcode(self):
        person = Person(MINSU)
        connected = person.connect()
        self.assertEqual((connected["user-name"], connected["version"]), (MINSU, "1.2"))
        person.connection.disconnect()
        person = Person(JIYEON)
        person.connection.connect(JIYEON, person.token, wait=True)
        self.assertEqual(person.next("CONNECTED").headers["user-name"], JIYEON)
        person.connection.disconnect()

    def test_two_people_hear_each_other_in_hangul_and_emoji(self):
        room = new_room()
        minsu, jiyeon = self.inside(MINSU, room), self.inside(JIYEON, room)
        self.assertEqual(minsu.entry()["message"], f"{JIYEON}님이 방에 입장했습니다.")
        # Its content-length counts characters first, and is put right to bytes before it is sent.
        jiyeon.say(room, "안녕하세요 👩‍👩‍👧: 사랑방")
        for person in (minsu, jiyeon):
            entry = person.entry()
            self.assertEqual((entry["sender"], entry["message"]), (JIYEON, "안녕하세요 👩‍👩‍👧: 사랑방"))

    def test_a_colon_a_backslash_and_a_line_end_in_header_values_arrive_as_they_were_sent(self):
        room = new_room()
        minsu = self.person(MINSU)
        minsu.subscribe(room, id="a:b\\c\n")
        self.assertEqual(minsu.next("MESSAGE").headers["subscription"], "a:b\\c\n")
        minsu.say(room, "noted", id="note:1", receipt="at 12:30")
        frames = {frame.cmd: frame for frame in (minsu.next("MESSAGE", "RECEIPT") for _ in range(2))}
        self.assertEqual(json.loads(frames["MESSAGE"].body)["id"], "note:1")
        self.assertEqual(frames["RECEIPT"].headers["receipt-id"], "at 12:30")

    def test_a_receipt_comes_for_subscribe_send_and_unsubscribe(self):
        room = new_room()
        minsu = self.person(MINSU)
        minsu.subscribe(room, receipt="entered")
        self.assertEqual(minsu.next("RECEIPT").headers["receipt-id"], "entered")
        minsu.say(room, "durable", receipt="said")
        self.assertEqual(minsu.next("RECEIPT").headers["receipt-id"], "said")
        minsu.connection.unsubscribe("room", receipt="left")
        self.assertEqual(minsu.next("RECEIPT").headers["receipt-id"], "left")

    def test_heart_beats_go_both_ways_and_bridge_a_silence_of_more_than_two_intervals(self):
        room = new_room()
        minsu = self.inside(MINSU, room, heartbeats=(1000, 1000))
        time.sleep(SILENCE_S)
        self.assertGreaterEqual(minsu.beats_in, 2)
        self.assertGreaterEqual(minsu.beats_out, 2)
        self.assertTrue(minsu.frames.empty(), "nothing but heart-beats came")
        minsu.say(room, "still here", receipt="said")
        self.assertEqual(minsu.next("RECEIPT").headers["receipt-id"], "said")

    def test_a_bad_token_is_answered_with_an_error_that_says_which_way_it_is_bad_and_the_close(self):
        for bad, code in (("", "token_missing"), ("not-a-token", "token_malformed")):
            person = Person(MINSU)
            with self.assertRaises(stomp.exception.ConnectFailedException):
                person.connect(token=bad)
            error = person.next("ERROR")
            self.assertEqual(error.headers["code"], code)
            self.assertIn("token", error.headers["message"])
            self.assertTrue(person.gone.wait(PATIENCE_S))
            self.assertEqual(person.close_code, 1008)

    def test_disconnect_is_answered_with_its_receipt(self):
        minsu = self.person(MINSU)
        minsu.connection.disconnect(receipt="bye")
        self.assertEqual(minsu.next("RECEIPT").headers["receipt-id"], "bye")
        self.assertTrue(minsu.gone.wait(PATIENCE_S))

    def test_who_reconnects_with_after_misses_nothing_and_sees_nothing_twice(self):
        room = new_room()
        jiyeon, minsu = self.inside(JIYEON, room), self.inside(MINSU, room)
        seen = [2]

        def read(text):
            entry = {"message": None}
            while entry["message"] != text:
                entry = minsu.entry()
                seen.append(entry["offset"])

        jiyeon.say(room, "one")
        read("one")
        minsu.drop()
        for text in ("two", "three", "four"):
            jiyeon.say(room, text, receipt=text)
            self.assertEqual(jiyeon.next("RECEIPT").headers["receipt-id"], text)
        minsu = self.person(MINSU)
        minsu.subscribe(room, after=str(seen[-1]))
        read("four")
        jiyeon.say(room, "five")
        read("five")
        self.assertEqual(seen, list(range(2, 2 + len(seen))))

    def test_transactions_and_acknowledgements_are_taken(self):
        room = new_room()
        minsu = self.person(MINSU)
        minsu.subscribe(room, ack="client-individual")
        minsu.connection.ack(minsu.next("MESSAGE").headers["ack"])
        minsu.connection.begin("tx")
        minsu.say(room, "in it", transaction="tx")
        minsu.connection.commit("tx")
        self.assertEqual(minsu.entry()["message"], "in it")


if __name__ == "__main__":
    unittest.main()
