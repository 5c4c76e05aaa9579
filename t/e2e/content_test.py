"""Content arrives as it came, but for what a rule changes; and every way to say where it ends that is not CRLF.CRLF."""

import unittest

from harness import Instance, main, message, wait_until
from next_hop import NextHop, split_received
from smtp_client import dot_stuffed, queue_id

HEAD = message("odd", [])
ALL_OCTETS = bytes(octet for octet in range(256) if octet not in b"\r\n")
# Unlabelled, as old Japanese software sends it; the second octets include backslash, '@' and '|'.
SHIFT_JIS = "Subject: 表示のテスト\r\n\r\nソース構わず能力、予定表、ポ\r\n".encode("shift_jis")


class Unchanged(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hop = cls.enterClassContext(NextHop())
        cls.hikyaku = cls.enterClassContext(Instance(cls.hop, {"relay_message_size_limit": "64m", "smtp_line_length_limit": "0"}))

    def arrived(self, wire, recipient, parameters=""):
        """What the next hop gets behind our Received for the octets `wire` behind DATA."""
        with self.hikyaku.client() as client:
            client.hello()
            client.command(f"MAIL FROM:<ann@origin.test>{parameters}", 250)
            client.command(f"RCPT TO:<{recipient}>", 250)
            client.command("DATA", 354)
            client.send(wire)
            queue_id(client.expect(250))
            client.quit()
        wait_until(lambda: self.hop.messages_for(recipient))
        [taken] = self.hop.messages_for(recipient)
        return split_received(taken.content)[1]

    def test_all_of_it_arrives_as_it_came(self):
        contents = {
            "octets": HEAD + ALL_OCTETS + b"\r\n" + ALL_OCTETS * 20 + b"\r\n",
            "nul": HEAD + b"\0\r\n\0\0.\0\r\n",
            "sjis": SHIFT_JIS,
            "header8": b"Subject: caf\xe9 \xff\x80\r\n\r\nx\r\n",
            "empty": b"",
            "noheader": b"\r\nbody only\r\n",
            "nobody": HEAD[:-2],
            "line": b"no header at all\r\n",
            "blank": HEAD + b"\r\n" * 50,
            "spaces": HEAD + b"trailing \t \r\n \r\n\t\r\n",
            "long": HEAD + b"x" * (1 << 20) + b"\r\n",
            "longheader": b"X-Long: " + b"h" * 200_000 + b"\r\n" + HEAD + b"x\r\n",
            "folded": b"X-Folded: a\r\n" + b" folded\r\n" * 20_000 + HEAD + b"x\r\n",
            "dots": HEAD + b".\r\n..\r\n...\r\n.x\r\n. \r\n" * 100,
            "mixed": HEAD + b"".join(b"." * (n % 5) + b"y" * (n * 37 % 3000) + b"\r\n" for n in range(500)),
        }
        for name, content in contents.items():
            with self.subTest(name):
                got = self.arrived(dot_stuffed(content), f"{name}@dest.test")
                self.assertEqual(len(got), len(content))
                self.assertEqual(got, content)

    def test_line_ends_that_are_none_are_made_into_one_reading(self):
        """A bare LF becomes CRLF, a bare CR a space; neither these nor a dot behind them ends the message."""
        for number, (wire, content) in enumerate((
            (b"a\nb\r\n", b"a\r\nb\r\n"),
            (b"a\rb\r\n", b"a b\r\n"),
            (b"a\n.\nb\r\n", b"a\r\n.\r\nb\r\n"),
            (b"a\n.\r\nb\r\n", b"a\r\n.\r\nb\r\n"),
            (b"a\r\n.\nb\r\n", b"a\r\n.\r\nb\r\n"),
            (b"a\r.\rb\r\n", b"a . b\r\n"),
            (b"a\r\n.\r\r\nb\r\n", b"a\r\n \r\nb\r\n"),
            (b"a\r\n\0.\r\nb\r\n", b"a\r\n\0.\r\nb\r\n"),
            (b"a\r\n.\0\r\nb\r\n", b"a\r\n\0\r\nb\r\n"),
        )):
            with self.subTest(wire):
                smuggled = b"MAIL FROM:<evil@origin.test>\r\nRCPT TO:<evil@dest.test>\r\nDATA\r\nx\r\n"
                got = self.arrived(HEAD + wire + smuggled + b".\r\n", f"ends{number}@dest.test")
                self.assertEqual(got, HEAD + content + smuggled)
        self.assertEqual(self.hop.messages_for("evil@dest.test"), [])

    def test_a_header_that_is_too_long_to_be_treated_is_refused_whole(self):
        with self.hikyaku.client() as client:
            client.hello()
            client.command("MAIL FROM:<ann@origin.test>", 250)
            client.command("RCPT TO:<never@dest.test>", 250)
            client.command("DATA", 354)
            client.send(dot_stuffed(b"X-Long: " + b"h" * 400_000 + b"\r\n" + HEAD))
            client.expect(r"552 5\.3\.4 ")
            client.transaction("ann@origin.test", "next@dest.test", message("next"))
        wait_until(lambda: self.hop.messages_for("next@dest.test"))
        self.assertEqual(self.hop.messages_for("never@dest.test"), [])

    def test_odd_addresses_arrive_as_they_came(self):
        addresses = ["a..b@docomo.ne.jp", ".a@docomo.ne.jp", "a.@ezweb.ne.jp", '"a b"@dest.test', r'"a\"b@c"@dest.test',
                     "a%b@dest.test", "b!a@dest.test", "a+b=c@dest.test", "MiXed@Dest.TEST", "user@[192.0.2.1]",
                     "user@[IPv6:2001:db8::1]", "l" * 64 + "@dest.test"]
        for sender in addresses:
            with self.subTest(sender):
                self.hikyaku.send(sender, addresses, message("odd"))
        wait_until(lambda: len(self.hop.messages_for("a+b=c@dest.test")) == len(addresses))
        for address in addresses:
            self.assertEqual(self.hop.rcpt_count(address), len(addresses), address)
            self.assertTrue([1 for message in self.hop.messages if message.sender == address], address)

    def test_a_source_route_is_read_and_forgotten(self):
        self.hikyaku.send("@a.test,@b.test:ann@origin.test", "@c.test:routed@dest.test", message("routed"))
        [arrived] = wait_until(lambda: self.hop.messages_for("routed@dest.test"))
        self.assertEqual((arrived.sender, arrived.recipients), ("ann@origin.test", ["routed@dest.test"]))

    def test_too_many_hops_are_refused(self):
        """More than hopcount_limit Received fields (C5)."""
        received = b"Received: from a by b; Tue, 8 Mar 2016 16:01:54 +0900\r\n"
        with self.hikyaku.client() as client:
            client.hello()
            client.transaction("ann@origin.test", "hops@dest.test", received * 50 + message("hops"))
            client.command("MAIL FROM:<ann@origin.test>", 250)
            client.command("RCPT TO:<loop@dest.test>", 250)
            client.command("DATA", 354)
            client.send(dot_stuffed(received * 51 + message("loop")))
            client.expect(r"554 5\.4\.6 ")
        wait_until(lambda: self.hop.messages_for("hops@dest.test"))
        self.assertEqual(self.hop.messages_for("loop@dest.test"), [])


class BareNewlines(unittest.TestCase):
    """The values of smtpd_forbid_bare_newline."""

    WIRE = HEAD + b"a\nb\n.\nc\r\n.\r\n"
    CONTENT = HEAD + b"a\r\nb\r\n.\r\nc\r\n"

    def send(self, client):
        client.command("MAIL FROM:<ann@origin.test>", 250)
        client.command("RCPT TO:<bare@dest.test>", 250)
        client.command("DATA", 354)
        client.send(self.WIRE)

    def test_where_they_are_taken_they_are_taken_for_crlf(self):
        for value in ("no", "yes", "normalize", "note"):
            with (self.subTest(value), NextHop() as hop,
                  Instance(hop, {"smtpd_forbid_bare_newline": value}) as hikyaku, hikyaku.client() as client):
                client.hello()
                self.send(client)
                client.expect(250)
                client.send(b"NOOP\n")
                client.expect(250)
                [arrived] = wait_until(lambda: hop.messages_for("bare@dest.test"))
                self.assertEqual(split_received(arrived.content)[1], self.CONTENT)
                notes = hikyaku.log_lines(r": bare <LF> received after END-OF-MESSAGE from unknown\[127\.0\.0\.1\]$")
                self.assertEqual(len(notes), 1 if value == "note" else 0)

    def test_where_they_are_rejected_nothing_of_the_message_goes_on(self):
        with (NextHop() as hop, Instance(hop, {"smtpd_forbid_bare_newline": "reject"}) as hikyaku,
              hikyaku.client() as client):
            client.hello()
            self.send(client)
            client.expect(r"550 5\.5\.2 ")
            client.transaction("ann@origin.test", "good@dest.test", message("good"))
            # A big one, whose file must go.
            client.command("MAIL FROM:<ann@origin.test>", 250)
            client.command("RCPT TO:<bare@dest.test>", 250)
            client.command("DATA", 354)
            client.send(HEAD + (b"x" * 78 + b"\r\n") * 10000 + b"bare\n" + (b"x" * 78 + b"\r\n") * 10000 + b".\r\n")
            client.expect(r"550 5\.5\.2 ")
            client.send(b"NOOP\nNOOP\r\n")
            client.expect(r"521 5\.5\.2 ")
            self.assertTrue(client.closed_by_server())
            wait_until(lambda: hop.messages_for("good@dest.test"))
            self.assertEqual(hop.messages_for("bare@dest.test"), [])
            wait_until(lambda: not list((hikyaku.queue / "log").glob("*body-*")))


if __name__ == "__main__":
    main()
