"""A storm of broken, hostile and hasty clients, from a fixed seed: afterwards everything is as before."""

import concurrent.futures
import contextlib
import os
import random
import socket
import struct
import time
import unittest

from harness import Instance, main, message, wait_until
from next_hop import NextHop
from smtp_client import dot_stuffed

SESSIONS, SEED = 4000, 20160308

# The pieces of sessions: right ones, wrong ones, and what other programs say.
PIECES = [
    b"MAIL FROM:<ann@origin.test>\r\n", b"MAIL FROM:<>\r\n", b"MAIL FROM:<ann@origin.test> SIZE=100 BODY=8BITMIME\r\n",
    b"MAIL FROM: ann@origin.test\r\n", b"MAIL FROM:<@a,@b:ann@origin.test>\r\n", b'MAIL FROM:<"a\\"b"@[IPv6:::1]>\r\n',
    b"MAIL FROM:<ann@origin.test> SIZE=99999999999999999999 SIZE=1\r\n", b"MAIL FROM:<" + b"a" * 5000 + b">\r\n",
    b"RCPT TO:<bob@dest.test>\r\n", b"RCPT TO:<bob@dest.test> NOTIFY=NEVER\r\n", b"RCPT TO:<Postmaster>\r\n",
    b"RCPT TO:<a..b@docomo.ne.jp>\r\n", b"RCPT TO:<\x00\xff@\x80>\r\n", b"RCPT TO:<b%c!d@dest.test>\n",
    b"RCPT TO:<bob@dest.test>\r\n" * 40, b"DATA\r\n", b"DATA\r\n" + dot_stuffed(message("storm", ["x", ".", "..y"])),
    b"DATA\r\n" + dot_stuffed(b"Subject: \xe9\x00\r\n\r\n" + b"\xff" * 3000 + b"\r\n"), b"DATA\r\nx\n.\n",
    b".\r\n", b"\r\n.\r\n",
    b"DATA\r\n" + dot_stuffed(b"X: " + b"y" * 70000 + b"\r\n\r\n" + b"z" * 300000),
    b"DATA\r\n" + b"Received: a\r\n" * 60 + b".\r\n",
    b"RSET\r\n", b"NOOP\r\n" * 10, b"VRFY bob\r\n", b"HELP\r\n", b"EXPN all\r\n", b"QUIT\r\n", b"EHLO again.test\r\n",
    b"HELO \x1b[31m\r\n", b"BDAT 10 LAST\r\n0123456789", b"BDAT 10\r\n0123456789", b"BDAT 99999999999\r\n", b"BDAT x LAST\r\n",
    b"STARTTLS\r\n\x16\x03\x01\x02\x00", b"AUTH PLAIN " + b"A" * 3000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n", b"\0" * 100, b"\r" * 100, b"\n" * 30, b"x" * 10000,
]
WHOLE = [b"MAIL FROM:<ann@origin.test>\r\n", b"RCPT TO:<bob@dest.test>\r\n", b"DATA\r\n", dot_stuffed(message("storm")),
         b"QUIT\r\n"]
SPLINTERS = (b"\r", b"\n", b"\0", b".", b"\r\n.\r\n", b"<", b">", b'"', b"\\", b"\xff", b"@" * 300)


def mutated(chance, octets):
    octets = bytearray(octets)
    for _ in range(chance.choice((0, 0, 1, 2, 8))):
        at = chance.randrange(len(octets) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            octets[at:at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del octets[at:at + chance.randrange(1, 20)]
        elif kind == 2:
            octets[at:at] = chance.choice(SPLINTERS)
        elif kind == 3:
            octets[at:at] = octets[max(0, at - 100):at]
        else:
            del octets[at:]
    return bytes(octets)


def wire_of(chance):
    if chance.random() < 0.4:
        pieces = WHOLE * chance.randrange(1, 4)
    else:
        pieces = chance.choices(PIECES, k=chance.randrange(1, 12))
    return mutated(chance, b"".join(pieces))


def one_session(address, seed):
    """True when a message of it was taken."""
    chance = random.Random(seed)
    wire = wire_of(chance)
    polite = chance.random() < 0.8
    size = chance.choice((1 << 20, 1 << 20, 1000, 100, 7))
    ending = chance.randrange(4)
    with socket.create_connection(address, 10) as client, contextlib.suppress(ConnectionError):
        heard = client.recv(4096)
        if polite:
            client.sendall(b"EHLO storm.test\r\n")
            heard += client.recv(4096)
        for start in range(0, min(len(wire), 400 * size), size):
            client.sendall(wire[start:start + size])
        if ending == 0:  # gone, without a word and without reading
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if ending == 1:
            time.sleep(chance.random() * 0.01)
            return False
        client.shutdown(socket.SHUT_WR)
        while data := client.recv(65536):
            heard += data
        return b"queued as" in heard
    return False


def descriptors(pids):
    return {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in pids}


class Storm(unittest.TestCase):
    def test_after_a_storm_the_daemons_are_the_same_and_mail_flows(self):
        settings = {"smtpd_soft_error_limit": "1000", "smtpd_hard_error_limit": "30",
                    "relay_message_size_limit": "200k", "connection_pool_timeout": "1s"}
        with NextHop() as hop, Instance(hop, settings) as hikyaku:
            hikyaku.send("ann@origin.test", "before@dest.test", message("before"))
            wait_until(lambda: hop.messages_for("before@dest.test"))
            pids = hikyaku.pids()
            hikyaku.wait_for_empty_queue()
            before = descriptors(pids)

            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                taken = sum(pool.map(lambda number: one_session(hikyaku.address, SEED + number), range(SESSIONS)))

            # Not only refusals: much of it was mail.
            self.assertGreater(taken, SESSIONS // 20)
            hikyaku.send("ann@origin.test", "after@dest.test", message("after"))
            wait_until(lambda: hop.messages_for("after@dest.test"), 30)
            hikyaku.wait_for_empty_queue(30)
            self.assertEqual(hikyaku.pids(), pids)
            # Two more: a segment of the log, say. Connections to the next hop rest for a second.
            wait_until(lambda: all(count <= before[pid] + 2 for pid, count in descriptors(pids).items()), 10,
                       f"no descriptor is left open: {before}, {hikyaku.services()}")
            self.assert_log_is_clean(hikyaku)
            self.assertGreaterEqual(len(hop.messages), taken)
            for arrived in hop.messages:
                self.assertNotRegex(arrived.content, rb"[^\r]\n|\r[^\n]")

    def assert_log_is_clean(self, hikyaku):
        """Each line is one of ours, and no octet that a client chose can do anything to a terminal."""
        for line in hikyaku.log_file.read_bytes().split(b"\n")[:-1]:
            self.assertRegex(line, rb"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ hikyaku/[a-z/-]+\[\d+\]: [ -~]*$")


if __name__ == "__main__":
    main()
