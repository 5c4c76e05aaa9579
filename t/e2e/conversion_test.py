"""What happens to content on its way out: 8-bit content for a next hop without 8BITMIME, and lines that are too long."""

import email
import email.policy
import re
import unittest
from pathlib import Path

from harness import WITH_SANITIZERS, Instance, main, message, wait_until
from next_hop import NextHop, split_received

SEVEN_BIT_HOP = {"ehlo": "250-next-hop.test\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 104857600"}

TEXT = "前略 = 飛脚便 \r\n.dot\r\n..\r\nFrom now on \r\n-- \r\nNora\r\n" + "長" * 300 + "\r\n"
HTML = "<p style=\"x=y\">飛脚 &amp; Söhne</p>\r\n"
BASE64 = "6aOb6ISa\r\n"  # 飛脚
HEAD = message("conversion", []).rstrip(b"\r\n") + b"\r\n"


def crlf(*lines):
    return "".join(line + "\r\n" for line in lines).encode()


def plain(charset, label, text):
    return HEAD + crlf("MIME-Version: 1.0", f"Content-Type: text/plain; charset={charset}",
                       f"Content-Transfer-Encoding: {label}", "") + text.encode(charset)


MIXED = HEAD + crlf(
    "MIME-Version: 1.0", "Content-Type: multipart/mixed;", "\tboundary=\"=_outer\"", "Content-Transfer-Encoding: 8bit", "",
    "This is a message of several parts.",
    "--=_outer", "Content-Type: multipart/alternative; boundary=inner", "",
    "--inner", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", "", TEXT,
    "--inner", "Content-Type: text/html; charset=utf-8", "Content-Transfer-Encoding: 8bit", "", HTML,
    "--inner--", "",
    "--=_outer", "Content-Type: text/plain; charset=us-ascii", "Content-Transfer-Encoding: 7bit", "", "a = b",
    "--=_outer", "Content-Type: message/rfc822", "Content-Transfer-Encoding: 8bit", "",
    "Subject: inside", "Content-Type: text/plain; charset=utf-8", "", TEXT,
    "--=_outer", "Content-Type: application/octet-stream", "Content-Transfer-Encoding: base64",
    "Content-Disposition: attachment; filename=\"a.bin\"", "", BASE64,
    "--=_outer--", "The end.")


def leaves(content):
    """(type, octets) of each part that has octets of its own, decoded."""
    parsed = email.message_from_bytes(content, policy=email.policy.compat32)
    assert not [part.defects for part in parsed.walk() if part.defects], [part.defects for part in parsed.walk()]
    return [(part.get_content_type(), part.get_payload(decode=True)) for part in parsed.walk() if not part.is_multipart()]


def send_and_take(hikyaku, hop, recipient, content, parameters=" BODY=8BITMIME"):
    with hikyaku.client() as client:
        client.hello()
        client.transaction("ann@origin.test", recipient, content, parameters)
        client.quit()
    [taken] = wait_until(lambda: hop.messages_for(recipient), 30)
    return taken


class SevenBit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hop = cls.enterClassContext(NextHop(SEVEN_BIT_HOP))
        cls.hikyaku = cls.enterClassContext(Instance(cls.hop))

    def arrived(self, recipient, content, parameters=" BODY=8BITMIME"):
        taken = send_and_take(self.hikyaku, self.hop, recipient, content, parameters)
        self.assertNotIn("BODY", taken.mail_line)
        return split_received(taken.content)[1]

    def assert_converted(self, recipient, content):
        """What arrives is 7-bit, and Python reads the same parts out of it."""
        got = self.arrived(recipient, content)
        self.assertTrue(got.isascii())
        self.assertTrue(all(len(line) <= 76 for line in got.split(b"\r\n")))
        self.assertEqual(leaves(got), leaves(content))
        return got

    def test_utf8_text_becomes_quoted_printable(self):
        got = self.assert_converted("text@dest.test", plain("utf-8", "8bit", TEXT))
        self.assertEqual(leaves(got), [("text/plain", TEXT.encode())])
        self.assertIn(b"\r\nContent-Transfer-Encoding: quoted-printable\r\n", got)
        self.assertNotIn(b"8bit", got)

    def test_the_parts_of_a_tree_are_converted_each_by_itself(self):
        got = self.assert_converted("tree@dest.test", MIXED)
        self.assertIn(BASE64.encode(), got)
        self.assertIn(b"Content-Transfer-Encoding: 7bit\r\n\r\na = b\r\n--=_outer\r\n", got)
        self.assertEqual(got.count(b"quoted-printable"), 3)
        self.assertEqual(got.count(b"Content-Transfer-Encoding: 7bit"), 3)  # one was; the tree, the message inside

    def test_japanese_mail_in_seven_bits_is_not_touched(self):
        for label in ("7bit", "8bit"):
            content = plain("iso-2022-jp", label, "飛脚が走る\r\n")
            self.assertEqual(self.arrived(f"jis-{label}@dest.test", content, ""), content)

    def test_unlabelled_text_is_labelled(self):
        body = "ソース構わず能力、予定表、ポ\r\n".encode("shift_jis")
        header = HEAD + "Subject: 表示\r\n".encode("shift_jis")
        got = self.arrived("sjis@dest.test", header + b"\r\n" + body, "")
        # Octets of a header have no charset that could be told.
        self.assertTrue(got.startswith(header + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"))
        self.assertTrue(got[len(header):].isascii())
        self.assertEqual(leaves(got), [("text/plain", body)])

    def test_broken_mail_arrives_with_all_that_it_has(self):
        cut = MIXED[:MIXED.index(b"--inner--")]
        lost = MIXED.replace(b"=_outer\"", b"=_other\"")
        for recipient, content in (("cut@dest.test", cut), ("lost@dest.test", lost),
                                   ("deep@dest.test", MIXED.replace(b"boundary=inner", b"boundry=inner"))):
            with self.subTest(recipient):
                got = self.arrived(recipient, content)
                self.assertTrue(got.isascii())
                decoded = re.sub(rb"=([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]),
                                 re.sub(rb"=\r\n|\r\n ", b"", got))
                for octets in (TEXT.split("\r\n")[0].rstrip().encode(), "長".encode() * 300, HTML.split("飛")[1].encode()):
                    self.assertIn(octets, decoded)

    def test_a_big_message_is_converted_in_bounded_memory(self):
        """Its body is in a file of its own, and passes through smtp-client in pieces."""
        self.arrived("warm@dest.test", plain("utf-8", "8bit", TEXT))
        [pid] = self.hikyaku.services()["smtp"]["pids"]
        before = peak_of(pid)
        line = ("飛脚 " * 20 + "\r\n").encode()
        body = line * ((6 << 20) // len(line))
        got = self.assert_converted("big@dest.test", plain("utf-8", "8bit", "") + body)
        self.assertEqual(leaves(got), [("text/plain", body)])
        if not WITH_SANITIZERS:  # their own memory is beside the point
            self.assertLess(peak_of(pid) - before, 4 << 20)


def peak_of(pid):
    """The most memory that a process had, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) << 10


class Unconverted(unittest.TestCase):
    def test_where_it_is_disabled_content_goes_as_it_came(self):
        with NextHop(SEVEN_BIT_HOP) as hop, Instance(hop, {"disable_mime_output_conversion": "yes"}) as hikyaku:
            taken = send_and_take(hikyaku, hop, "as-is@dest.test", MIXED)
            self.assertNotIn("BODY", taken.mail_line)
            self.assertEqual(split_received(taken.content)[1], MIXED)

    def test_where_the_next_hop_takes_eight_bits_content_goes_as_it_came(self):
        with NextHop() as hop, Instance(hop) as hikyaku:
            taken = send_and_take(hikyaku, hop, "as-is@dest.test", MIXED)
            self.assertIn("BODY=8BITMIME", taken.mail_line)
            self.assertEqual(split_received(taken.content)[1], MIXED)


def folded(content, limit):
    """Each line in pieces of at most `limit` octets, a space before each but the first; no character is cut in two."""
    lines = []
    for line in content.split(b"\r\n"):
        space = b""
        while len(space + line) > limit:
            cut = limit - len(space)
            while line[cut] & 0xC0 == 0x80:
                cut -= 1
            lines.append(space + line[:cut])
            line, space = line[cut:], b" "
        lines.append(space + line)
    return b"\r\n".join(lines)


LONG = (HEAD + b"X-Long: " + b"h" * 3000 + b"\r\n\r\n" + b"x" * 998 + b"\r\n" + b"y" * 999 + b"\r\n" +
        b"." * 3000 + b"\r\n" + "é".encode() * 5000 + b"\r\n")


class LongLines(unittest.TestCase):
    def assert_folded(self, limit, setting, big=True):
        contents = {"short": message("short"), "long": LONG}
        if big:
            contents["big"] = LONG + (b"z" * 1200 + b"\r\n") * 2000
            contents["end"] = HEAD + b"\r\n" + (b"z" * 70 + b"\r\n") * 20000 + b"y" * 999 + b"\r\n"
        with NextHop() as hop, Instance(hop, setting) as hikyaku:
            for name, content in contents.items():
                with self.subTest(name):
                    taken = send_and_take(hikyaku, hop, f"{name}@dest.test", content)
                    got = split_received(taken.content)[1]
                    wanted = folded(content, limit) if limit else content
                    self.assertEqual(len(got), len(wanted))
                    self.assertEqual(got, wanted)

    def test_lines_above_998_octets_are_folded(self):
        self.assert_folded(998, {})

    def test_a_smaller_limit_folds_shorter_lines(self):
        self.assert_folded(60, {"smtp_line_length_limit": "60"}, big=False)

    def test_a_larger_limit_leaves_longer_lines(self):
        self.assert_folded(2000, {"smtp_line_length_limit": "2000"}, big=False)

    def test_without_a_limit_lines_stay_as_they_came(self):
        self.assert_folded(0, {"smtp_line_length_limit": "0"})

    def test_chunks_are_looked_at_too(self):
        with NextHop() as hop, Instance(hop) as hikyaku, hikyaku.client() as client:
            client.hello()
            for name, line in (("fits", b"." * 998), ("long", b"." * 999)):
                client.command("MAIL FROM:<ann@origin.test>", 250)
                client.command(f"RCPT TO:<{name}@dest.test>", 250)
                content = HEAD + b"\r\n" + line
                client.send(b"BDAT %d\r\n%s" % (len(content) - 500, content[:-500]))
                client.expect(250)
                client.send(b"BDAT 500 LAST\r\n" + content[-500:])
                client.expect(250)
                [taken] = wait_until(lambda: hop.messages_for(f"{name}@dest.test"))
                self.assertEqual(split_received(taken.content)[1], folded(content, 998) + b"\r\n")

    def test_what_is_converted_is_folded_after_that(self):
        """A part that goes as it came has its long lines broken; what is quoted-printable has none."""
        content = HEAD + crlf(
            "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: a/b",
            "Content-Transfer-Encoding: base64", "", "x" * 1500, "--b", "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: 8bit", "", "長" * 1000, "--b--")
        with NextHop(SEVEN_BIT_HOP) as hop, Instance(hop) as hikyaku:
            got = split_received(send_and_take(hikyaku, hop, "both@dest.test", content).content)[1]
            self.assertIn(b"\r\n" + b"x" * 998 + b"\r\n " + b"x" * 502 + b"\r\n", got)
            self.assertEqual(leaves(got)[1][1], "長".encode() * 1000)


if __name__ == "__main__":
    main()
