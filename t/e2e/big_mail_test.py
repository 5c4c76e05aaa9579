"""Mail that is too big to be gathered: its body goes through a file of its own, and nobody's memory."""

import contextlib
import hashlib
import json
import re
import signal
import socket
import threading
import unittest
from pathlib import Path

from harness import WITH_SANITIZERS, DATA, Instance, main, message, wait_until
from next_hop import NextHop
from smtp_client import dot_stuffed

MEBIBYTE = 1 << 20
LATER = "450 4.2.0 Later"
QUICKLY = {"retry_method": "linear", "retry_a": "1s"}


def big(subject, size, dots=False):
    """A message of about `size` bytes, whose lines all differ."""
    lines = [message(subject)]
    length, number = len(lines[0]), 0
    while length < size:
        lines.append(b"%s%010d %s\r\n" % (b"." if dots and number % 3 == 0 else b"", number, b"abcdefghij" * 6))
        length += len(lines[-1])
        number += 1
    return b"".join(lines)


class Sink:
    """A next hop that keeps only a checksum and the length of each content; no line of it may begin with a dot."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = self.listening.getsockname()
        self.arrived = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):  # the daemons hang up when they are stopped
            lines = connection.makefile("rwb", buffering=MEBIBYTE)
            def say(text):
                lines.write(text + b"\r\n")
                lines.flush()
            say(b"220 sink.test ESMTP")
            while line := lines.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    say(b"354 Go on")
                    self.arrived.append(self.content(lines))
                say(b"250 sink.test" if verb != b"QUIT" else b"221 Bye")

    @staticmethod
    def content(lines):
        checksum, length, in_header = hashlib.sha256(), 0, True
        while (line := lines.readline()) != b".\r\n":
            # Our Received header is not the sender's.
            in_header = in_header and (line.startswith(b"Received:") or line.startswith(b" "))
            if not in_header:
                checksum.update(line)
                length += len(line)
        return checksum.hexdigest(), length

    def close(self):
        self.listening.close()

    __enter__ = lambda self: self
    __exit__ = lambda self, *_: self.close()


def send_blocks(hikyaku, recipient, megabytes):
    """Sends a message of so many MiB without having it in memory; its checksum and length."""
    checksum, length = hashlib.sha256(), 0
    with hikyaku.client() as client:
        client.socket.settimeout(120)
        client.hello()
        client.command("MAIL FROM:<ann@origin.test>", 250)
        client.command(f"RCPT TO:<{recipient}>", 250)
        client.command("DATA", 354)
        for number in range(megabytes + 1):
            block = message("blocks") if number == 0 else (b"%05d " % number + b"x" * 120 + b"\r\n") * (MEBIBYTE // 128)
            client.send(block)
            checksum.update(block)
            length += len(block)
        client.send(b".\r\n")
        client.expect(250)
    return checksum.hexdigest(), length


def begin(hikyaku, recipient, content):
    """A client in the middle of a message."""
    client = hikyaku.client()
    client.hello()
    client.command("MAIL FROM:<ann@origin.test>", 250)
    client.command(f"RCPT TO:<{recipient}>", 250)
    client.command("DATA", 354)
    client.send(content)
    return client


def files(hikyaku, pattern="*body-*"):
    return sorted(path.name for path in (hikyaku.queue / "log").glob(pattern))


def wait_for_files(hikyaku, count, pattern="*body-*"):
    wait_until(lambda: len(files(hikyaku, pattern)) == count, 10, f"{count} × {pattern}, not {files(hikyaku)}")


def peak_memory(pid):
    """The most memory that a process ever had, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc", str(pid), "status").read_text())
    return int(found.group(1)) * 1024


class BigMail(unittest.TestCase):
    def assert_arrives(self, hop, recipient, content):
        wait_until(lambda: hop.messages_for(recipient), 30, f"mail for {recipient}")
        for arrived in hop.messages_for(recipient):
            self.assertTrue(arrived.content.startswith(b"Received: "))
            self.assertTrue(arrived.content.endswith(content), f"{recipient}: {len(arrived.content)} bytes")

    def test_content_of_any_size_arrives_unchanged_and_leaves_no_file(self):
        with NextHop() as hop, Instance(hop) as hikyaku:
            for size in (200_000, 262_000, 262_144, 262_300, 300_000, 1_000_000, 5_000_000):
                for dots in (False, True):
                    name = f"m{size}{dots}"
                    content = big(name, size, dots)
                    hikyaku.send("ann@origin.test", f"{name}@dest.test", content)
                    self.assert_arrives(hop, f"{name}@dest.test", content)
            hikyaku.wait_for_empty_queue()
            wait_for_files(hikyaku, 0)

    def test_one_session_takes_big_and_small_messages_in_turn(self):
        with NextHop() as hop, Instance(hop) as hikyaku, hikyaku.client() as client:
            client.hello()
            sizes = (1_000, 700_000, 2_000, 300_000)
            contents = {f"turn{n}@dest.test": big(f"turn{n}", size, True) for n, size in enumerate(sizes)}
            for recipient, content in contents.items():
                client.transaction("ann@origin.test", recipient, content)
            for recipient, content in contents.items():
                self.assert_arrives(hop, recipient, content)
            self.assertIn("SIZE=", hop.messages_for("turn1@dest.test")[0].mail_line)
            size = int(re.search(r"SIZE=(\d+)", hop.messages_for("turn1@dest.test")[0].mail_line).group(1))
            self.assertEqual(size, len(hop.messages_for("turn1@dest.test")[0].content))

    def test_two_messages_of_100_mebibytes_pass_through_little_memory(self):
        with Sink() as sink, Instance(sink, {"relay_message_size_limit": "300M"}) as hikyaku:
            sent = []
            senders = [threading.Thread(target=lambda n=n: sent.append(send_blocks(hikyaku, f"huge{n}@dest.test", 100)))
                       for n in range(2)]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            self.assertEqual(len(sent), 2)
            wait_until(lambda: len(sink.arrived) == 2, 120, "both have arrived")
            self.assertEqual(sorted(sink.arrived), sorted(sent))
            for name, service in hikyaku.services().items():
                for pid in service["pids"]:
                    if not WITH_SANITIZERS:  # their own memory is beside the point
                        self.assertLess(peak_memory(pid), 64 * MEBIBYTE, name)
            wait_for_files(hikyaku, 0)

    def test_half_messages_that_exceed_the_memory_budget_all_come_to_their_end(self):
        """400 sessions with 250 kB each are 100 MB; the budget is 64 MiB, and strings take up to twice their length."""
        with Sink() as sink, Instance(sink, {"relay_session_limit": "500"}) as hikyaku:
            content = big("half", 250_000)
            clients = [begin(hikyaku, f"half{n}@dest.test", content[:-1000]) for n in range(400)]
            # New mail is still taken, for it is small enough to be read at once.
            hikyaku.send("ann@origin.test", "small@dest.test", message("small"))
            for client in clients:
                client.send(content[-1000:] + b".\r\n")
            for client in clients:
                client.expect(250)
                client.close()
            [pid] = hikyaku.services()["relay"]["pids"]
            if not WITH_SANITIZERS:
                self.assertLess(peak_memory(pid), 200 * MEBIBYTE)
            wait_until(lambda: len(sink.arrived) == 401, 60)
            self.assertEqual(len(set(sink.arrived)), 2)

    def test_a_client_that_goes_away_leaves_no_file(self):
        with NextHop() as hop, Instance(hop) as hikyaku:
            client = begin(hikyaku, "gone@dest.test", big("gone", 3_000_000))
            wait_for_files(hikyaku, 1, "new-body-*")
            client.close()
            wait_for_files(hikyaku, 0)
            hikyaku.send("ann@origin.test", "next@dest.test", big("next", 400_000))
            wait_until(lambda: hop.messages_for("next@dest.test"))
            self.assertEqual(hop.messages_for("gone@dest.test"), [])

    def test_a_message_that_grows_beyond_the_limit_is_refused_and_leaves_no_file(self):
        """Row 5, C9."""
        with NextHop() as hop, Instance(hop, {"relay_message_size_limit": "1M"}) as hikyaku:
            client = begin(hikyaku, "much@dest.test", big("much", 2_000_000))
            client.send(b".\r\n")
            client.expect(r"552 5\.3\.4 ")
            wait_for_files(hikyaku, 0)
            client.transaction("ann@origin.test", "fits@dest.test", big("fits", 900_000))
            self.assert_arrives(hop, "fits@dest.test", b"\r\n")
            client.close()

    def test_a_header_that_does_not_end_is_refused(self):
        with NextHop() as hop, Instance(hop) as hikyaku:
            header = b"".join(b"X-Field-%06d: %s\r\n" % (number, b"y" * 60) for number in range(8000))
            client = begin(hikyaku, "header@dest.test", header + b"\r\nbody\r\n.\r\n")
            client.expect(r"552 5\.3\.4 .*header")
            wait_for_files(hikyaku, 0)
            client.transaction("ann@origin.test", "after@dest.test", big("after", 300_000))
            client.close()

    def test_a_header_of_many_hops_is_refused_at_the_end_of_the_message(self):
        """C5."""
        with NextHop() as hop, Instance(hop) as hikyaku:
            header = b"".join(b"Received: by hop%d.test; Tue, 8 Mar 2016 16:01:54 +0900\r\n" % n for n in range(60))
            client = begin(hikyaku, "hops@dest.test", header + big("hops", 500_000) + b".\r\n")
            client.expect(r"554 5\.4\.6 ")
            wait_for_files(hikyaku, 0)
            client.close()


class Waiting(unittest.TestCase):
    """Big mail that stays in the queue for a while."""

    def test_a_big_message_is_shown_listed_and_sent_after_a_restart(self):
        with NextHop(answers={"rcpt": LATER}) as hop, Instance(hop, QUICKLY) as hikyaku:
            content = big("waits", 900_000, True)
            queued = hikyaku.send("ann@origin.test", "waits@dest.test", content)
            wait_until(lambda: [entry["queue_name"] for entry in hikyaku.queue_list()] == ["deferred"])
            self.assertEqual(files(hikyaku), [f"body-{queued}"])
            [entry] = hikyaku.queue_list()
            self.assertGreater(entry["message_size"], len(content))
            self.assertLess(entry["message_size"], len(content) + 1000)
            shown = hikyaku.must_run("queue", "show", queued)
            self.assertIn(content.decode().replace("\r\n", "\n"), shown.replace("\r\n", "\n"))
            hikyaku.stop()
            self.assertEqual(files(hikyaku), [f"body-{queued}"])
            hikyaku.start()
            hop.answers["rcpt"] = "250 2.1.5 Ok"
            hikyaku.must_run("queue", "retry", "ALL")
            wait_until(lambda: hop.messages_for("waits@dest.test"))
            self.assertTrue(hop.messages_for("waits@dest.test")[0].content.endswith(content))
            wait_for_files(hikyaku, 0)

    def test_a_deleted_message_takes_its_body_along(self):
        with NextHop(answers={"rcpt": LATER}) as hop, Instance(hop) as hikyaku:
            hikyaku.send("ann@origin.test", "gone@dest.test", big("gone", 400_000))
            wait_until(hikyaku.queue_list)
            hikyaku.must_run("queue", "delete", "ALL")
            wait_for_files(hikyaku, 0)

    def test_a_report_returns_the_header_or_all_of_it_as_bounce_size_limit_has_it(self):
        def answer(recipient):
            return "550 5.1.1 No such user" if recipient == "nobody@dest.test" else "250 2.1.5 Ok"
        for limit, whole in (("50000", False), ("2000000", True)):
            with NextHop(answers={"rcpt": answer}) as hop, Instance(hop, {"bounce_size_limit": limit}) as hikyaku:
                content = big("fails", 700_000)
                hikyaku.send("ann@origin.test", "nobody@dest.test", content)
                wait_until(lambda: hop.messages_for("ann@origin.test"))
                report = hop.messages_for("ann@origin.test")[0].content
                self.assertIn(b"Subject: fails\r\n", report)
                self.assertEqual(content in report, whole)
                wait_for_files(hikyaku, 0)

    def test_verify_and_salvage_know_bodies(self):
        with NextHop(answers={"rcpt": LATER}) as hop, Instance(hop) as hikyaku:
            whole, hurt = big("whole", 400_000), big("hurt", 400_000)
            kept = hikyaku.send("ann@origin.test", "whole@dest.test", whole)
            lost = hikyaku.send("ann@origin.test", "hurt@dest.test", hurt)
            hikyaku.stop()
            self.assertIn("all is intact", hikyaku.must_run("queue", "verify"))
            body = hikyaku.queue / "log" / f"body-{lost}"
            content = body.read_bytes()
            body.write_bytes(content[:200_000] + b"?" + content[200_001:])
            outcome = hikyaku.run("queue", "verify")
            self.assertEqual(outcome.code, DATA)
            self.assertRegex(outcome.stdout, rf"log/body-{lost}: DAMAGED\n  {len(content)} bytes at offset 0\n")
            body.write_bytes(content[:300_000])
            damage = json.loads(hikyaku.run("queue", "verify", "--json").stdout)["bodies"]
            self.assertEqual(damage, [{"file": f"log/body-{lost}",
                                       "damage": [{"offset": 300_000, "length": len(content) - 300_000}]}])
            target = hikyaku.folder / "salvaged"
            self.assertEqual(hikyaku.run("queue", "salvage", target).code, DATA)
            self.assertTrue((target / f"{kept}.eml").read_bytes().endswith(whole))
            self.assertFalse((target / f"{lost}.eml").exists())

    def test_a_changed_body_is_not_delivered(self):
        with NextHop(answers={"rcpt": LATER}) as hop, Instance(hop) as hikyaku:
            queued = hikyaku.send("ann@origin.test", "hurt@dest.test", big("hurt", 700_000))
            wait_for_files(hikyaku, 1, "body-*")
            hikyaku.stop()
            body = hikyaku.queue / "log" / f"body-{queued}"
            content = body.read_bytes()
            body.write_bytes(content[:-1000] + b"?" + content[-999:])
            hop.answers["rcpt"] = "250 2.1.5 Ok"
            hikyaku.start()
            hikyaku.must_run("queue", "retry", "ALL")
            hikyaku.wait_for_log(rf"{queued}: queue file damaged: body-{queued}")
            self.assertEqual(hop.messages_for("hurt@dest.test"), [])
            self.assertEqual(len(hikyaku.queue_list()), 1)


class Kills(unittest.TestCase):
    """Nothing that got its 250 is lost, and nothing is left over (C6)."""

    def run_kill(self, service, resumes):
        with NextHop(answers={"rcpt": LATER}) as hop, Instance(hop, QUICKLY) as hikyaku:
            accepted = big("accepted", 600_000, True)
            queued = hikyaku.send("ann@origin.test", "accepted@dest.test", accepted)
            content = dot_stuffed(big("cut", 3_000_000))
            client = begin(hikyaku, "cut@dest.test", content[:2_000_000])
            wait_for_files(hikyaku, 1, "new-body-*")
            [old] = hikyaku.kill(service)
            wait_until(lambda: hikyaku.services()[service]["pids"] not in ([], [old]), 10, f"{service} is there again")
            if service != "relay":
                client.send(content[2_000_000:])
                client.expect(resumes)
            client.close()
            wait_for_files(hikyaku, 0, "new-body-*")
            self.assertIn(f"body-{queued}", files(hikyaku))
            hop.answers["rcpt"] = "250 2.1.5 Ok"
            wait_until(lambda: hop.messages_for("accepted@dest.test"), 20)
            self.assertTrue(hop.messages_for("accepted@dest.test")[0].content.endswith(accepted))
            if resumes == 250:
                wait_until(lambda: hop.messages_for("cut@dest.test"), 20)
            hikyaku.wait_for_empty_queue()
            wait_for_files(hikyaku, 0)

    def test_cleanup_killed_while_a_body_comes(self):
        self.run_kill("cleanup", r"451 4\.3\.0 ")

    def test_smtpd_killed_while_a_body_comes(self):
        self.run_kill("relay", None)

    def test_qmgr_killed_while_a_body_comes(self):
        self.run_kill("qmgr", 250)

    def test_a_body_that_no_message_names_is_removed_at_the_next_start(self):
        with NextHop() as hop, Instance(hop) as hikyaku:
            hikyaku.send("ann@origin.test", "one@dest.test", big("one", 300_000))
            hikyaku.wait_for_empty_queue()
            wait_for_files(hikyaku, 0)
            hikyaku.stop()
            for name in ("body-25X8J3PF0X2", "new-body-25X8J3PF0X3"):
                (hikyaku.queue / "log" / name).write_bytes(b"left over")
            hikyaku.start()
            wait_for_files(hikyaku, 0)


if __name__ == "__main__":
    main()
