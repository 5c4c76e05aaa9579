"""Connections to the next hop: kept, reused, replaced, ended; and content that must not go out (rows 45-47)."""

import re
import threading
import time
import unittest
from unittest import mock

import next_hop
from harness import Instance, main, message, wait_until
from next_hop import DROP, SILENT, NextHop, times

QUICKLY = {"retry_method": "linear", "retry_a": "1s", "retry_period": "300s"}
NO_PIPELINING = "250-next-hop.test\r\n250 8BITMIME"


def send_many(hikyaku, count, recipients="bob@dest.test", size=0):
    with hikyaku.client() as client:
        client.hello()
        for number in range(count):
            client.transaction("ann@origin.test", recipients, message(f"m{number}") + filler(size))


def filler(size):
    line = b"0123456789" * 7 + b"\r\n"
    return line * (size // len(line))


class Connections(unittest.TestCase):
    def test_mail_one_after_the_other_goes_over_one_connection(self):
        """Row 45."""
        with NextHop() as hop, Instance(next_hop=hop) as hikyaku:
            for number in range(5):
                send_many(hikyaku, 1)
                hikyaku.wait_for_log(r"status=sent", count=number + 1)
            self.assertEqual(hop.session_count(), 1)
            self.assertTrue(hikyaku.log_lines(r"conn_use=5,"))

    def test_an_idle_connection_ends_with_quit_after_its_time(self):
        """Row 47."""
        with NextHop() as hop, Instance(next_hop=hop, settings={"connection_pool_timeout": "1s"}) as hikyaku:
            send_many(hikyaku, 1)
            hikyaku.wait_for_log(r"status=sent")
            began = time.monotonic()
            wait_until(lambda: (1, "QUIT") in hop.commands, 5, "QUIT")
            self.assertGreater(time.monotonic() - began, 0.5)

    def test_no_more_idle_connections_are_kept_than_allowed(self):
        """Row 46: the oldest goes."""
        settings = {"connection_pool_size": "1"}
        with NextHop(delay=0.02) as hop, Instance(next_hop=hop, settings=settings) as hikyaku:
            senders = [threading.Thread(target=send_many, args=(hikyaku, 2)) for _ in range(6)]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            hikyaku.wait_for_log(r"status=sent", count=12)
            self.assertGreater(hop.session_count(), 1)
            wait_until(lambda: sum(line == "QUIT" for _, line in hop.commands) == hop.session_count() - 1, 5,
                       "all connections but one are ended")

    def test_a_pooled_connection_that_died_costs_no_attempt(self):
        with NextHop() as hop, Instance(next_hop=hop, settings=QUICKLY) as hikyaku:
            send_many(hikyaku, 1)
            hikyaku.wait_for_log(r"status=sent")
            hop.answers["mail"] = times(1, DROP, "250 2.1.0 Ok")
            send_many(hikyaku, 1)
            hikyaku.wait_for_log(r"status=sent", count=2)
            self.assertEqual(hop.session_count(), 2)
            self.assertFalse(hikyaku.log_lines(r"status=deferred"))

    def test_a_server_that_closes_after_each_message_gets_all_mail(self):
        with NextHop() as hop, Instance(next_hop=hop, settings=QUICKLY) as hikyaku:
            seen = set()

            def mail(_):
                session = len(hop.connections)
                if session in seen:
                    return "421 4.7.0 One message for each connection"
                seen.add(session)
                return "250 2.1.0 Ok"

            hop.answers["mail"] = mail
            for number in range(4):
                send_many(hikyaku, 1)
                hikyaku.wait_for_log(r"status=sent", count=number + 1)
            self.assertEqual(len(hop.messages), 4)

    def test_a_server_without_pipelining_gets_commands_one_by_one(self):
        with NextHop({"ehlo": NO_PIPELINING}) as hop, Instance(next_hop=hop) as hikyaku:
            send_many(hikyaku, 3, ["a@dest.test", "b@dest.test"])
            hikyaku.wait_for_log(r"status=sent", count=6)
            self.assertEqual(len(hop.messages), 3)

    def test_a_refused_connection_is_told_with_its_address(self):
        with NextHop(listening=False) as hop, Instance(next_hop=hop, settings=QUICKLY) as hikyaku:
            send_many(hikyaku, 1)
            port = hop.address[1]
            hikyaku.wait_for_log(rf"relay=none, .*dsn=4.4.1, status=deferred "
                                 rf"\(connect to 127.0.0.1\[127.0.0.1\]:{port}: Connection refused\)")
            hop.listen()
            hikyaku.wait_for_log(r"status=sent")

    def test_a_next_hop_by_name_is_found(self):
        with NextHop() as hop:
            settings = {"relayhost": f"[localhost]:{hop.address[1]}"}
            with Instance(settings=settings) as hikyaku:
                send_many(hikyaku, 2)
                hikyaku.wait_for_log(r"relay=localhost\[127.0.0.1\]:\d+, .*status=sent", count=2)

    def test_a_next_hop_whose_name_does_not_exist_is_not_the_senders_fault(self):
        settings = dict(QUICKLY, relayhost="[nowhere.invalid]:25")
        with Instance(settings=settings) as hikyaku:
            send_many(hikyaku, 1)
            hikyaku.wait_for_log(r"relay=none, .*dsn=4\.\d\.\d, status=deferred \(Host or domain name not found", 30)


class Refusals(unittest.TestCase):
    """A next hop that does not want us, in ways that are easy to get wrong."""

    BUSY = "250-next-hop.test\r\n250 PIPELINING\r\n421 4.3.2 too busy"

    def test_a_next_hop_that_ends_the_connection_right_behind_ehlo_gets_mail_when_it_is_well(self):
        """More often than connections are allowed, so that one forgotten each time would be noticed."""
        settings = dict(QUICKLY, smtp_destination_concurrency_limit="3")
        with NextHop({"ehlo": self.BUSY}) as hop, Instance(next_hop=hop, settings=settings) as hikyaku:
            send_many(hikyaku, 4)
            hikyaku.wait_for_log(r"relay=127\S+\]:\d+, .*dsn=4\.3\.2, status=deferred "
                                 r"\(host \S+ refused to talk to me: 421 4\.3\.2 too busy\)", count=4)
            wait_until(lambda: hop.session_count() > 6, 20, "more connections than are allowed at once")
            del hop.answers["ehlo"]
            hikyaku.wait_for_log(r"status=sent", 20, count=4)
            self.assertEqual(len(hop.messages), 4)

    def test_nonsense_behind_ehlo_is_a_failed_attempt(self):
        answer = "250-next-hop.test\r\n250 PIPELINING\r\n250 2.0.0 unasked"
        with NextHop({"ehlo": answer}) as hop, Instance(next_hop=hop, settings=QUICKLY) as hikyaku:
            send_many(hikyaku, 1)
            hikyaku.wait_for_log(r"dsn=4\.5\.0, status=deferred \(host \S+ sent an answer out of place")
            del hop.answers["ehlo"]
            hikyaku.wait_for_log(r"status=sent")

    def test_a_refused_helo_is_told_as_helo(self):
        with NextHop({"ehlo": "502 No EHLO", "helo": "450 4.7.1 Later"}) as hop:
            with Instance(next_hop=hop, settings=QUICKLY) as hikyaku:
                send_many(hikyaku, 1)
                hikyaku.wait_for_log(r"said: 450 4.7.1 Later \(in reply to HELO command\)")
                hop.answers["ehlo"] = "450 4.7.1 Later"
                hikyaku.wait_for_log(r"said: 450 4.7.1 Later \(in reply to EHLO command\)")


class EagerSession(next_hop.Session):
    """Replies leave one by one, also to what was pipelined."""

    def reply(self, text):
        self.connection.sendall(text.encode() + b"\r\n")


def endless_reply(hop):
    def answer(_):
        while True:  # until the client is gone
            hop.connections[-1].sendall(b"250-still here\r\n")
            time.sleep(0.4)

    return answer


@mock.patch.object(next_hop, "Session", EagerSession)
class TimeOuts(unittest.TestCase):
    def test_a_reply_without_an_end_has_its_time_like_any_other(self):
        """Its lines come more often than the time-out."""
        settings = {f"smtp_{stage}_timeout": "2s" for stage in ("helo", "mail", "rcpt", "data_init", "data_done")}
        rows = [
            ("connect", NO_PIPELINING, "receiving the initial server greeting"),
            ("ehlo", NO_PIPELINING, "performing the EHLO handshake"),
            ("mail", NO_PIPELINING, "sending MAIL FROM"),
            ("rcpt", NO_PIPELINING, "sending RCPT TO"),
            ("rcpt", next_hop.USUAL["ehlo"], "sending RCPT TO"),
            ("data", NO_PIPELINING, "sending DATA command"),
            ("dot", NO_PIPELINING, "sending end of data"),
        ]
        for stage, ehlo, doing in rows:
            with self.subTest(stage, ehlo=ehlo), NextHop({"ehlo": ehlo}) as hop:
                hop.answers[stage] = endless_reply(hop)
                with Instance(next_hop=hop, settings=settings) as hikyaku:
                    send_many(hikyaku, 1)
                    hikyaku.wait_for_log(rf"status=deferred \(conversation with \S+ timed out while {doing}", 8)

    def test_each_answer_to_pipelined_recipients_has_its_own_time(self):
        recipients = [f"r{number}@dest.test" for number in range(5)]
        with NextHop({"rcpt": lambda _: time.sleep(1) or "250 2.1.5 Ok"}) as hop:
            with Instance(next_hop=hop, settings={"smtp_rcpt_timeout": "3s"}) as hikyaku:
                send_many(hikyaku, 1, recipients)
                hikyaku.wait_for_log(r"status=sent", 15, count=5)
                self.assertEqual(hop.session_count(), 1)

    def test_waiting_for_a_greeting_is_time_of_setting_up(self):
        """The third of the delays."""
        with NextHop({"connect": SILENT}) as hop:
            with Instance(next_hop=hop, settings={"smtp_helo_timeout": "2s"}) as hikyaku:
                send_many(hikyaku, 1)
                [line] = hikyaku.wait_for_log(r"status=deferred \(conversation with \S+ timed out while receiving")
                delays = [float(part) for part in re.search(r"delays=([\d./]+)", line).group(1).split("/")]
                self.assertGreater(delays[2], 1.5)
                self.assertLess(delays[1], 1)
                self.assertLess(delays[3], 1)


class Content(unittest.TestCase):
    def test_big_mail_arrives_whole_at_a_server_that_reads_slowly(self):
        size = 6 << 20

        def slowly(_):
            time.sleep(1)
            return "354 Go on"

        with NextHop({"data": slowly}) as hop, Instance(next_hop=hop) as hikyaku:
            send_many(hikyaku, 3, size=size)
            hikyaku.wait_for_log(r"status=sent", 30, count=3)
            for arrived in hop.messages:
                self.assertTrue(arrived.content.endswith(filler(size)))

    def test_damaged_content_is_never_delivered(self):
        with NextHop(listening=False) as hop, Instance(next_hop=hop, settings=QUICKLY) as hikyaku:
            send_many(hikyaku, 1, size=20000)
            hikyaku.wait_for_log(r"status=deferred")
            [segment] = [path for path in (hikyaku.queue / "log").iterdir() if b"m0" in path.read_bytes()]
            with open(segment, "r+b") as file:
                file.seek(segment.read_bytes().index(b"0123456789") + 5)
                file.write(b"#")
            hop.listen()
            hikyaku.wait_for_log(r"error: .*queue file damaged at \d+:\d+")
            hikyaku.wait_for_log(r"dsn=4.3.0, status=deferred \(queue file damaged at \d+:\d+\)")
            self.assertEqual(hop.messages, [])
            self.assertEqual(hop.attempts, [])


class Generations(unittest.TestCase):
    def test_a_reload_ends_idle_connections_and_loses_no_delivery(self):
        """Row 29."""
        with NextHop({"dot": lambda _: time.sleep(0.3) or "250 2.0.0 Ok"}) as hop:
            with Instance(next_hop=hop, settings=QUICKLY) as hikyaku:
                sender = threading.Thread(target=send_many, args=(hikyaku, 30))
                sender.start()
                hikyaku.wait_for_log(r"status=sent")
                hikyaku.reload()
                sender.join()
                hikyaku.wait_for_log(r"status=sent", 30, count=30)
                hikyaku.wait_for_empty_queue()
                self.assertEqual(len(hop.messages), 30)

    def test_a_qmgr_that_dies_during_deliveries_causes_no_second_copy(self):
        with NextHop({"dot": lambda _: time.sleep(0.2) or "250 2.0.0 Ok"}) as hop:
            with Instance(next_hop=hop, settings=QUICKLY) as hikyaku:
                send_many(hikyaku, 10)
                hikyaku.wait_for_log(r"status=sent")
                hikyaku.kill("qmgr")
                hikyaku.wait_for_log(r"status=sent", 30, count=10)
                time.sleep(1)
                hikyaku.wait_for_empty_queue()
                self.assertEqual(len(hop.messages), 10)


if __name__ == "__main__":
    main()
