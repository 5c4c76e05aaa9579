"""Addresses and headers beyond ASCII (SMTPUTF8, RFC 6531): on to a next hop that takes them, back from any other."""

import email
import email.policy
import unittest

from harness import Instance, main, message, wait_until
from next_hop import USUAL, NextHop, split_received

WITH_SMTPUTF8 = USUAL["ehlo"].replace("\r\n250 SIZE", "\r\n250-SMTPUTF8\r\n250 SIZE")
HEADER = "Subject: 飛脚\r\nFrom: ann@origin.test\r\n\r\nHello.\r\n".encode()


def send(hikyaku, sender, recipient, content):
    with hikyaku.client() as client:
        client.hello()
        client.command(f"MAIL FROM:<{sender}> BODY=8BITMIME SMTPUTF8", 250)
        client.command(f"RCPT TO:<{recipient}>", 250)
        client.command("DATA", 354)
        client.send(content + b".\r\n")
        return client.expect(250).text.split()[-1]


class Smtputf8(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.knows = cls.enterClassContext(NextHop({"ehlo": WITH_SMTPUTF8}))
        cls.to_knowing = cls.enterClassContext(Instance(cls.knows))
        cls.other = cls.enterClassContext(NextHop())
        cls.to_other = cls.enterClassContext(Instance(cls.other))

    def test_it_is_announced(self):
        with self.to_other.client() as client:
            client.hello()
            self.assertIn("SMTPUTF8", client.keywords)

    def test_a_next_hop_that_has_it_gets_addresses_and_header_as_they_are(self):
        queued = send(self.to_knowing, "änn@ürsprung.test", "bøb@ziel.test", HEADER)
        [taken] = wait_until(lambda: self.knows.messages_for("bøb@ziel.test"))
        self.assertEqual(taken.sender, "änn@ürsprung.test")
        self.assertRegex(taken.mail_line, r"^MAIL FROM:<änn@ürsprung\.test> .*SMTPUTF8$")
        self.assertEqual(split_received(taken.content)[1], HEADER)
        self.to_knowing.wait_for_log(f"{queued}: to=<bøb@ziel.test>.*status=sent")

    def test_without_it_what_needs_it_is_returned(self):
        for sender, recipient, content in (("ann@origin.test", "bøb@ziel.test", message("ascii header")),
                                           ("eve@origin.test", "bob@dest.test", HEADER)):
            with self.subTest(recipient):
                queued = send(self.to_other, sender, recipient, content)
                self.to_other.wait_for_log(rf"{queued}: to=<{recipient}>.*dsn=5\.6\.7, status=bounced \(SMTPUTF8 is required")
                [report] = wait_until(lambda: self.other.messages_for(sender))
                parsed = email.message_from_bytes(report.content, policy=email.policy.default)
                status = list(parsed.iter_parts())[1]
                self.assertEqual(status.get_payload()[1]["Status"], "5.6.7")
                self.assertEqual(self.other.messages_for(recipient), [])

    def test_what_was_only_labelled_so_goes_anywhere(self):
        send(self.to_other, "kim@origin.test", "lee@dest.test", message("plain"))
        [taken] = wait_until(lambda: self.other.messages_for("lee@dest.test"))
        self.assertNotIn("SMTPUTF8", taken.mail_line)

    def test_after_a_restart_a_waiting_message_still_needs_it(self):
        with NextHop({"ehlo": WITH_SMTPUTF8, ("rcpt", "bøb@ziel.test"): "450 4.2.0 Later"}) as hop:
            with Instance(hop) as hikyaku:
                queued = send(hikyaku, "ann@origin.test", "bøb@ziel.test", HEADER)
                hikyaku.wait_for_log(f"{queued}: to=<bøb@ziel.test>.*status=deferred")
                hikyaku.stop()
                hop.answers.pop(("rcpt", "bøb@ziel.test"))
                hikyaku.start()
                hikyaku.must_run("queue", "retry", "ALL")
                [taken] = wait_until(lambda: hop.messages_for("bøb@ziel.test"))
                self.assertIn("SMTPUTF8", taken.mail_line)


if __name__ == "__main__":
    main()
