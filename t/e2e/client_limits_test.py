"""What one client may do: errors, connections, messages, and how long it may take."""

import concurrent.futures
import contextlib
import resource
import select
import time
import unittest

from harness import PATIENCE, Instance, main, message, wait_until
from next_hop import NextHop
from smtp_client import dot_stuffed

# Outside mynetworks, where clients are counted.
STRANGER, OTHER = "127.0.0.77", "127.0.0.78"
ONLY_US = {"mynetworks": "127.0.0.1"}


def seconds_of(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start


def to_data(client, recipient="bob@dest.test"):
    client.hello()
    client.command("MAIL FROM:<ann@origin.test>", 250)
    client.command(f"RCPT TO:<{recipient}>", 250)
    client.command("DATA", 354)


class Errors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hop = cls.enterClassContext(NextHop())
        cls.hikyaku = cls.enterClassContext(Instance(cls.hop, {
            "smtpd_soft_error_limit": "2", "smtpd_hard_error_limit": "5", "smtpd_junk_command_limit": "3"}))

    def test_after_some_errors_every_reply_comes_a_second_late(self):
        with self.hikyaku.client() as client:
            client.hello()
            self.assertLess(seconds_of(lambda: [client.command("FOO", 500) for _ in range(2)]), 0.9 * PATIENCE)
            self.assertGreater(seconds_of(lambda: client.command("MAIL FROM:<ann@origin.test>", 250)), 0.9)
            client.command("RCPT TO:<late@dest.test>", 250)
            client.command("DATA", 354)
            client.send(dot_stuffed(message("late")))
            client.expect(250)
            # Forgiven.
            self.assertLess(seconds_of(lambda: client.command("FOO", 500)), 0.9 * PATIENCE)
        wait_until(lambda: self.hop.messages_for("late@dest.test"))

    def test_too_many_errors_end_the_session_with_421(self):
        with self.hikyaku.client() as client:
            client.hello()
            for _ in range(5):
                client.command("RCPT TO:<bob@dest.test>", 503)
            client.expect(r"421 4\.7\.0 relay\.test Error: too many errors")
            self.assertTrue(client.closed_by_server())
        self.hikyaku.wait_for_log(r"too many errors after RCPT from unknown\[127\.0\.0\.1\]$")

    def test_too_many_commands_without_mail_are_errors(self):
        with self.hikyaku.client() as client:
            client.command("EHLO client.test", 250)
            for _ in range(2 + 5):
                client.command("NOOP", 250)
            client.expect(r"421 4\.7\.0 ")

    def test_what_is_no_smtp_is_sent_away(self):
        for first in ("GET / HTTP/1.1", "\x16\x03\x01\x02", "{}"):
            with self.hikyaku.client() as client:
                client.send(first.encode() + b"\r\nHost: relay.test\r\n\r\nMAIL FROM:<ann@origin.test>\r\n")
                client.expect(r"221 2\.7\.0 ")
                self.assertTrue(client.closed_by_server())
        self.hikyaku.wait_for_log(r"warning: non-SMTP command from unknown\[127\.0\.0\.1\]: GET / HTTP/1\.1$")
        self.hikyaku.wait_for_log(r"warning: non-SMTP command from \S+: \\026\\003\\001\\002$")

    def test_who_does_not_wait_for_the_answer_to_the_first_hello_is_sent_away(self):
        with self.hikyaku.client() as client:
            client.send(b"EHLO client.test\r\nMAIL FROM:<ann@origin.test>\r\nRCPT TO:<eager@dest.test>\r\n")
            client.expect(r"554 5\.5\.0 ")
            self.assertTrue(client.closed_by_server())
        self.hikyaku.wait_for_log(r"improper command pipelining after EHLO from unknown\[127\.0\.0\.1\]$")


class Strangers(unittest.TestCase):
    """Clients outside mynetworks, counted by address."""

    def test_connections_at_a_time(self):
        settings = ONLY_US | {"smtpd_client_connection_count_limit": "3"}
        with NextHop() as hop, Instance(hop, settings) as hikyaku, contextlib.ExitStack() as stack:
            own = [stack.enter_context(hikyaku.client()) for _ in range(5)]
            strangers = [stack.enter_context(hikyaku.client(source=STRANGER)) for _ in range(3)]
            for _ in range(20):
                refused = stack.enter_context(hikyaku.client(source=STRANGER, greeting=421))
                self.assertRegex(refused.greeting.text,
                                 rf"^4\.7\.0 relay\.test Error: too many connections from {STRANGER}$")
                self.assertTrue(refused.closed_by_server())
            stack.enter_context(hikyaku.client(source=OTHER)).hello()
            hikyaku.wait_for_log(rf"warning: Connection concurrency limit exceeded: 4 from unknown\[{STRANGER}\] "
                                 r"for service relay$")
            strangers[0].quit()
            def admitted():
                with hikyaku.client(source=STRANGER, greeting=None) as client:
                    return client.read_reply().code == 220
            wait_until(admitted)
            for client in own + strangers[1:]:
                client.hello()

    def test_connections_a_minute(self):
        settings = ONLY_US | {"smtpd_client_connection_rate_limit": "3"}
        with NextHop() as hop, Instance(hop, settings) as hikyaku:
            for _ in range(3):
                with hikyaku.client(source=STRANGER) as client:
                    client.quit()
            hikyaku.client(source=STRANGER, greeting=421).close()
            hikyaku.wait_for_log(rf"warning: Connection rate limit exceeded: 4 from unknown\[{STRANGER}\] "
                                 r"for service relay$")
            for _ in range(5):
                hikyaku.client().close()
            hikyaku.client(source=OTHER).close()

    def test_messages_a_minute(self):
        settings = ONLY_US | {"smtpd_client_message_rate_limit": "2"}
        with NextHop() as hop, Instance(hop, settings) as hikyaku:
            with hikyaku.client(source=STRANGER) as client:
                client.hello()
                for _ in range(2):
                    client.command("MAIL FROM:<ann@origin.test>", 250)
                    client.command("RSET", 250)
                client.command("MAIL FROM:<ann@origin.test>", rf"450 4\.7\.1 Error: too much mail from {STRANGER}")
                client.command("RCPT TO:<bob@dest.test>", 503)
            # Another connection of the same client, pipelined.
            with hikyaku.client(source=STRANGER) as client:
                client.hello()
                client.send(b"MAIL FROM:<ann@origin.test>\r\nRSET\r\nNOOP\r\n")
                for code in (450, 250, 250):
                    client.expect(code)
            hikyaku.wait_for_log(r"warning: Message delivery request rate limit exceeded: 3 from "
                                 rf"unknown\[{STRANGER}\] for service relay$")
            for number in range(5):
                hikyaku.send("ann@origin.test", f"own{number}@dest.test", message(f"own{number}"))


class Patience(unittest.TestCase):
    """Time is counted for the whole of a command, and for content by its rate: an octet now and then buys nothing."""

    LIMIT = 1 * PATIENCE

    @classmethod
    def setUpClass(cls):
        cls.hop = cls.enterClassContext(NextHop())
        cls.hikyaku = cls.enterClassContext(Instance(cls.hop, {
            "smtpd_timeout": f"{cls.LIMIT}s", "smtpd_min_data_rate": "1000", "smtpd_junk_command_limit": "1000000"}))

    def assert_ended(self, client, start, after):
        client.expect(r"421 4\.4\.2 relay\.test Error: timeout exceeded")
        self.assertTrue(client.closed_by_server())
        self.assertGreater(time.monotonic() - start, self.LIMIT * 0.95)
        self.assertLess(time.monotonic() - start, self.LIMIT + 2 * PATIENCE)
        self.hikyaku.wait_for_log(rf"timeout after {after} from unknown\[127\.0\.0\.1\]$")

    def trickle(self, client, octet):
        """Ten octets a second, until the server speaks."""
        for _ in range(10 * (self.LIMIT + 5 * PATIENCE)):
            client.send(octet)
            if select.select([client.socket], [], [], 0.1)[0]:
                return

    def test_a_silent_client(self):
        start = time.monotonic()
        with self.hikyaku.client() as client:
            self.assert_ended(client, start, "CONNECT")

    def test_a_command_that_comes_octet_by_octet(self):
        with self.hikyaku.client() as client:
            client.hello()
            start = time.monotonic()
            self.trickle(client, b"N")
            self.assert_ended(client, start, "EHLO")

    def test_content_that_comes_octet_by_octet(self):
        with self.hikyaku.client() as client:
            to_data(client)
            start = time.monotonic()
            self.trickle(client, b"x")
            self.assert_ended(client, start, r"DATA \(\d+ bytes\)")

    def test_content_that_stops(self):
        with self.hikyaku.client() as client:
            to_data(client)
            client.send(message("half"))
            self.assert_ended(client, time.monotonic(), r"DATA \(\d+ bytes\)")
        self.assertEqual(self.hop.messages_for("half@dest.test"), [])

    def test_a_big_message_that_stops(self):
        with self.hikyaku.client() as client:
            to_data(client)
            client.send(message("half") + (b"x" * 78 + b"\r\n") * 10000)
            self.assert_ended(client, time.monotonic(), r"DATA \(\d+ bytes\)")
        # Its file goes with it.
        wait_until(lambda: not list((self.hikyaku.queue / "log").glob("incoming*")))

    def test_content_that_is_fast_enough_may_take_long(self):
        line = b"x" * 398 + b"\r\n"
        with self.hikyaku.client() as client:
            to_data(client, "slow@dest.test")
            client.send(message("slow"))
            for _ in range(10 * self.LIMIT):
                client.send(line)
                time.sleep(0.2)
            client.send(b".\r\n")
            client.expect(250)
        wait_until(lambda: self.hop.messages_for("slow@dest.test"))

    def test_commands_may_come_slowly_when_each_is_whole(self):
        with self.hikyaku.client() as client:
            client.hello()
            for _ in range(4):
                time.sleep(self.LIMIT / 2)
                client.command("NOOP", 250)

    def test_a_client_that_reads_no_replies(self):
        before = len(self.hikyaku.log_lines(r"timeout after NOOP"))
        with self.hikyaku.client() as client:
            client.hello()
            client.socket.setblocking(False)
            end = time.monotonic() + 10 * self.LIMIT
            # As much as the server takes: it must stop reading long before its memory is full, and hang up then.
            sent = 0
            while time.monotonic() < end and len(self.hikyaku.log_lines(r"timeout after NOOP")) == before:
                try:
                    sent += client.socket.send(b"NOOP\r\n" * 1000)
                except BlockingIOError:
                    time.sleep(0.05)
                except OSError:
                    break
            self.assertLess(sent, 64 << 20)
        self.hikyaku.wait_for_log(r"timeout after NOOP from", count=before + 1)


class ManyClients(unittest.TestCase):
    def setUp(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)

    def test_a_thousand_idle_and_slow_sessions_do_not_hold_up_mail(self):
        """Slowloris: silent ones, ones in the middle of a command, of a message, of a big message."""
        with NextHop() as hop, Instance(hop) as hikyaku, contextlib.ExitStack() as stack:
            starts = (b"", b"EHLO idle.test\r\n", b"EHLO id", None)
            for number in range(1000):
                client = stack.enter_context(hikyaku.client())
                start = starts[number % len(starts)]
                if start is None:
                    to_data(client)
                    client.send(b"Subject: half\r\n" + (b"x" * 1000 + b"\r\n" if number % 8 == 3 else b""))
                else:
                    client.send(start)

            def relay(number):
                with hikyaku.client() as client:
                    client.hello()
                    start = time.monotonic()
                    for each in range(10):
                        client.transaction("ann@origin.test", f"m{number}-{each}@dest.test", message("beside"))
                    return time.monotonic() - start

            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                took = list(pool.map(relay, range(20)))
            self.assertLess(max(took), 5 * PATIENCE)
            wait_until(lambda: len(hop.messages) == 200, 20, "200 messages")
            hikyaku.wait_for_empty_queue()


if __name__ == "__main__":
    main()
