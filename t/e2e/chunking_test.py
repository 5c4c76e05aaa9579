"""Messages in chunks (BDAT, RFC 3030): they arrive as they came, in whatever pieces, and leave nothing when given up."""

import os
import unittest

from harness import Instance, main, message, wait_until
from next_hop import NextHop, split_received
from smtp_client import queue_id

OCTETS = message("chunks", [".", "..", "x\0y", ""]) + bytes(octet for octet in range(256) if octet not in b"\r\n") + b"\r\n"


def chunk(octets, last=False):
    return b"BDAT %d%s\r\n%s" % (len(octets), b" LAST" if last else b"", octets)


def chunks(content, size):
    """All of `content` in chunks, the last of which is empty."""
    pieces = [content[at:at + size] for at in range(0, len(content), size)]
    return len(pieces), b"".join(map(chunk, pieces)) + b"BDAT 0 LAST\r\n"


class Chunks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hop = cls.enterClassContext(NextHop())
        cls.hikyaku = cls.enterClassContext(Instance(cls.hop, {"relay_message_size_limit": "8m"}))

    def begin(self, client, recipient):
        client.command("MAIL FROM:<ann@origin.test>", 250)
        client.command(f"RCPT TO:<{recipient}>", 250)

    def assert_arrives(self, recipient, content):
        wait_until(lambda: self.hop.messages_for(recipient), seconds=20)
        [taken] = self.hop.messages_for(recipient)
        got = split_received(taken.content)[1]
        self.assertEqual(len(got), len(content))
        self.assertEqual(got, content)

    def body_files(self):
        return [name for name in os.listdir(self.hikyaku.queue / "log") if "body-" in name]

    def test_content_arrives_as_it_came_whatever_the_pieces(self):
        big = OCTETS + b"".join(b".%06d " % line + b"b" * 90 + b"\r\n" for line in range(50_000))
        for recipient, content, size in (("one@dest.test", OCTETS, len(OCTETS)), ("small@dest.test", OCTETS, 7),
                                         ("big@dest.test", big, 100_003), ("whole@dest.test", big, len(big))):
            with self.subTest(recipient), self.hikyaku.client() as client:
                client.hello()
                self.assertIn("CHUNKING", client.keywords)
                self.begin(client, recipient)
                count, wire = chunks(content, size)
                client.send(wire)
                for _ in range(count):
                    client.expect(r"250 2\.0\.0 Ok: \d+ octets received")
                queue_id(client.expect(250))
                client.quit()
                self.assert_arrives(recipient, content)

    def test_a_message_that_is_given_up_between_chunks_leaves_nothing(self):
        much = message("given up") + b"z" * 3_000_000
        with self.hikyaku.client() as client:
            client.hello()
            for end in (b"RSET\r\n", b"EHLO again.test\r\n", chunk(b"y" * 9_000_000, True)):
                self.begin(client, "never@dest.test")
                client.send(chunk(much))
                client.expect(250)
                client.send(end)
                client.expect(552 if end.startswith(b"BDAT") else 250)
            self.begin(client, "next@dest.test")
            client.send(chunk(OCTETS, True))
            queue_id(client.expect(250))
            self.begin(client, "never@dest.test")
            client.send(chunk(much))
            client.expect(250)
        self.assert_arrives("next@dest.test", OCTETS)
        wait_until(lambda: not self.body_files())
        self.assertEqual(self.hop.messages_for("never@dest.test"), [])

    def test_what_is_refused_is_in_the_log(self):
        with self.hikyaku.client() as client:
            client.hello()
            client.send(b"BDAT 3 LAST\r\nabcQUIT\r\n")
            client.expect(r"503 5\.5\.1")
            client.expect(221)
        self.hikyaku.wait_for_log(r"NOQUEUE: reject: BDAT from unknown\[127\.0\.0\.1\]: 503 5\.5\.1 ")
        self.hikyaku.wait_for_log(r"disconnect from unknown\[127\.0\.0\.1\] ehlo=1 bdat=0/1 quit=1 commands=2/3")


if __name__ == "__main__":
    main()
