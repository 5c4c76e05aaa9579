"""Mail that goes straight through: from a client through every daemon to the next hop, unchanged."""

import re
import unittest

from harness import Instance, main, message, wait_until
from next_hop import NextHop, split_received
from smtp_client import dot_stuffed, queue_id

HOST = r"[^\s\[]+\[127\.0\.0\.1\]"


class Delivery(unittest.TestCase):
    """One instance and one next hop for all: the tests differ in their recipients only."""

    @classmethod
    def setUpClass(cls):
        cls.hop = cls.enterClassContext(NextHop())
        cls.hikyaku = cls.enterClassContext(Instance(cls.hop))

    def delivered(self, recipient, count=1):
        """The messages for `recipient` that reached the next hop."""
        wait_until(lambda: len(self.hop.messages_for(recipient)) >= count, 10, f"mail for {recipient}")
        return self.hop.messages_for(recipient)

    def assert_arrives(self, recipient, content):
        """`content` arrives once, byte for byte, behind one Received header of ours."""
        [arrived] = self.delivered(recipient)
        received, rest = split_received(arrived.content)
        self.assertRegex(received, rb"\AReceived: from \S+")
        self.assertIn(b"by relay.test", received)
        self.assertEqual(rest, content)
        return arrived

    def test_a_message_arrives_unchanged_behind_one_received_header(self):
        content = message("plain", ["Hello.", "", "Ann"])
        self.hikyaku.send("ann@origin.test", "plain@dest.test", content)
        arrived = self.assert_arrives("plain@dest.test", content)
        self.assertEqual(arrived.sender, "ann@origin.test")
        self.assertEqual(arrived.recipients, ["plain@dest.test"])

    def test_the_queue_is_empty_after_delivery(self):
        self.hikyaku.send("ann@origin.test", "gone@dest.test", message("gone"))
        self.delivered("gone@dest.test")
        self.hikyaku.wait_for_empty_queue()
        self.assertIn("Mail queue is empty", self.hikyaku.must_run("queue", "list"))

    def test_the_null_sender_is_kept(self):
        content = message("null")
        self.hikyaku.send("", "null@dest.test", content)
        self.assertEqual(self.assert_arrives("null@dest.test", content).sender, "")

    def test_every_one_of_fifty_recipients_gets_the_message_once(self):
        recipients = [f"many{n}@dest.test" for n in range(50)]
        self.hikyaku.send("ann@origin.test", recipients, message("many"))
        for recipient in recipients:
            self.assertEqual(len(self.delivered(recipient)), 1)
        self.hikyaku.wait_for_empty_queue()
        self.assertEqual([len(self.hop.messages_for(recipient)) for recipient in recipients], [1] * 50)

    def test_several_messages_go_through_one_session(self):
        with self.hikyaku.client() as client:
            client.hello()
            ids = [client.transaction("ann@origin.test", "reuse@dest.test", message(f"reuse{n}")) for n in range(5)]
            client.quit()
        self.assertEqual(len(set(ids)), 5)
        self.delivered("reuse@dest.test", 5)

    def test_a_pipelining_client_gets_every_reply_in_order(self):
        content = message("pipelined")
        with self.hikyaku.client() as client:
            client.hello()
            self.assertIn("PIPELINING", client.keywords)
            client.send(b"MAIL FROM:<ann@origin.test>\r\nRCPT TO:<pipe1@dest.test>\r\n"
                        b"RCPT TO:<pipe2@dest.test>\r\nDATA\r\n")
            for code in (250, 250, 250, 354):
                client.expect(code)
            client.send(dot_stuffed(content) + b"MAIL FROM:<ann@origin.test>\r\nRSET\r\nQUIT\r\n")
            queue_id(client.expect(250))
            for code in (250, 250, 221):
                client.expect(code)
            self.assertTrue(client.closed_by_server())
        self.assert_arrives("pipe1@dest.test", content)
        self.delivered("pipe2@dest.test")

    def test_the_split_of_the_bytes_into_packets_does_not_matter(self):
        content = message("split", [".", "..", "x", ".y"])
        whole = (b"MAIL FROM:<ann@origin.test>\r\nRCPT TO:<split@dest.test>\r\nDATA\r\n"
                 + dot_stuffed(content) + b"QUIT\r\n")
        for size in (1, 3, 7):
            with self.hikyaku.client() as client:
                client.send_in_pieces(b"EHLO client.test\r\n", size, pause=0.0002)
                client.expect(250)
                client.send_in_pieces(whole, size, pause=0.0002)
                for code in (250, 250, 354, 250, 221):
                    client.expect(code)
        for arrived in self.delivered("split@dest.test", 3):
            self.assertEqual(split_received(arrived.content)[1], content)

    def test_lines_that_begin_with_dots_arrive_as_they_were(self):
        content = message("dots", [".", "..", "...x", ".hidden", "a.", " .", ""])
        self.hikyaku.send("ann@origin.test", "dots@dest.test", content)
        self.assert_arrives("dots@dest.test", content)

    def test_eight_bit_content_arrives_as_it_was(self):
        content = message("eight") + "飛脚\r\n".encode() + bytes(range(128, 256)) + b"\r\n"
        with self.hikyaku.client() as client:
            client.hello()
            self.assertIn("8BITMIME", client.keywords)
            client.transaction("ann@origin.test", "eight@dest.test", content, " BODY=8BITMIME")
        self.assertIn("BODY=8BITMIME", self.assert_arrives("eight@dest.test", content).mail_line)

    def test_a_message_of_one_mebibyte_arrives_as_it_was(self):
        head = message("big")
        line = b"0123456789" * 7 + b"\r\n"
        content = head + line * ((1 << 20) // len(line))
        self.hikyaku.send("ann@origin.test", "big@dest.test", content)
        self.assert_arrives("big@dest.test", content)

    def test_the_log_tells_what_became_of_a_message(self):
        queued = self.hikyaku.send("ann@origin.test", "log@dest.test", message("logged"))
        self.hikyaku.wait_for_log(rf"\b{queued}: removed")
        lines = [line for line in self.hikyaku.log_lines(rf"\b{queued}: ")]
        where = rf"127\.0\.0\.1\[127\.0\.0\.1\]:{self.hop.address[1]}"
        for pattern in (
            rf" hikyaku/(?:\S+/)?smtpd\[\d+\]: {queued}: client={HOST}$",
            rf" hikyaku/cleanup\[\d+\]: {queued}: message-id=<logged@origin\.test>$",
            rf" hikyaku/qmgr\[\d+\]: {queued}: from=<ann@origin\.test>, size=\d+, nrcpt=1 \(queue active\)$",
            rf" hikyaku/smtp\[\d+\]: {queued}: to=<log@dest\.test>, relay={where}, (?:conn_use=\d+, )?delay=[\d.]+, "
            r"delays=[\d.]+/[\d.]+/[\d.]+/[\d.]+, dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: taken\)$",
            rf" hikyaku/qmgr\[\d+\]: {queued}: removed$",
        ):
            matching = [line for line in lines if re.search(pattern, line)]
            self.assertEqual(len(matching), 1, f"{pattern}\n" + "\n".join(lines))

    def test_the_log_tells_of_a_session(self):
        before = len(self.hikyaku.log_lines("disconnect from"))
        with self.hikyaku.client() as client:
            client.hello()
            client.command("NOOP", 250)
            client.quit()
        self.hikyaku.wait_for_log("disconnect from", count=before + 1)
        self.assertTrue(self.hikyaku.log_lines(rf" hikyaku/(?:\S+/)?smtpd\[\d+\]: connect from {HOST}$"))
        self.assertTrue(self.hikyaku.log_lines(
            rf" hikyaku/(?:\S+/)?smtpd\[\d+\]: disconnect from {HOST} ehlo=1 noop=1 quit=1 commands=3$"))


class Refusals(unittest.TestCase):
    """What the server says to clients and commands that it does not serve."""

    def test_relaying_is_denied_outside_the_permitted_networks(self):
        """Closed by default (rows 13–16)."""
        with NextHop() as hop, Instance(hop, {"mynetworks": "192.0.2.0/24"}) as hikyaku:
            with hikyaku.client() as client:
                client.hello()
                client.command("MAIL FROM:<ann@origin.test>", 250)
                client.command("RCPT TO:<bob@dest.test>", r"554 5\.7\.1 ")
                client.command("DATA", r"(503|554) 5\.5\.1 ")
                client.quit()
            [line] = hikyaku.wait_for_log("NOQUEUE: reject: RCPT")
            self.assertRegex(line, rf"smtpd\[\d+\]: NOQUEUE: reject: RCPT from {HOST}: 554 5\.7\.1 .*; "
                             r"from=<ann@origin\.test> to=<bob@dest\.test> proto=ESMTP helo=<client\.test>$")
            self.assertEqual(hop.session_count(), 0)

    def test_commands_out_of_order_and_unknown_ones_are_refused(self):
        with NextHop() as hop, Instance(hop) as hikyaku, hikyaku.client() as client:
            self.assertRegex(repr(client.greeting), r"220 relay\.test ESMTP")
            client.command("RCPT TO:<bob@dest.test>", r"503 5\.5\.1 ")
            client.hello()
            client.command("DATA", r"503 5\.5\.1 ")
            client.command("FLY away", r"50[02] 5\.5\.[12] ")
            client.command("MAIL FROM:<ann@origin.test", r"501 5\.[15]\.[47] ")
            client.command("MAIL FROM:<ann@origin.test> NONSENSE=1", r"(501|555) 5\.5\.4 ")
            client.command("MAIL FROM:<ann@origin.test>", 250)
            client.command("MAIL FROM:<ann@origin.test>", r"503 5\.5\.1 ")
            client.command("RCPT TO:<>", r"501 5\.1\.3 ")
            client.command("RSET", 250)
            client.quit()

    def test_recipients_beyond_the_limit_are_for_another_transaction(self):
        """RFC 5321 section 4.5.3.1.10: 452, no error of the client's; those that were taken get the message."""
        with NextHop() as hop, Instance(hop, {"smtpd_recipient_limit": "20"}) as hikyaku, hikyaku.client() as client:
            client.hello()
            client.command("MAIL FROM:<ann@origin.test>", 250)
            for number in range(20):
                client.command(f"RCPT TO:<r{number}@dest.test>", 250)
            for number in range(20, 120):
                client.command(f"RCPT TO:<r{number}@dest.test>", r"452 4\.5\.3 ")
            client.command("DATA", 354)
            client.send(dot_stuffed(message("many")))
            client.expect(250)
            wait_until(lambda: hop.messages_for("r19@dest.test"))
            self.assertEqual(hop.messages_for("r20@dest.test"), [])

    def test_a_message_above_the_size_limit_is_refused(self):
        """By its announced size at MAIL, and by its real one at the end of data (row 5, C9)."""
        settings = {"relay_message_size_limit": "100k"}
        content = message("big") + (b"x" * 70 + b"\r\n") * 2000
        with NextHop() as hop, Instance(hop, settings) as hikyaku, hikyaku.client() as client:
            client.hello()
            self.assertIn("SIZE 102400", client.keywords)
            client.command("MAIL FROM:<ann@origin.test> SIZE=102401", r"552 5\.3\.4 ")
            client.command("MAIL FROM:<ann@origin.test>", 250)
            client.command("RCPT TO:<bob@dest.test>", 250)
            client.command("DATA", 354)
            client.send(dot_stuffed(content))
            client.expect(r"552 5\.3\.4 ")
            client.transaction("ann@origin.test", "small@dest.test", message("small"))
            wait_until(lambda: hop.messages_for("small@dest.test"))
            self.assertEqual(hop.messages_for("bob@dest.test"), [])


if __name__ == "__main__":
    main()
