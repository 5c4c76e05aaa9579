"""Mail that does not go at once: deferred, listed, retried, and given up in the end."""

import time
import unittest

from harness import PATIENCE, Instance, main, message, wait_until
from next_hop import DROP, NextHop, times

LATER = "450 4.2.0 Mailbox is busy"
SLOWLY = {"retry_method": "linear", "retry_a": "1000s", "retry_period": "86400s"}
QUICKLY = {"retry_method": "linear", "retry_a": "1s", "retry_period": "60s"}


def entry(hikyaku, queued, attempts=1):
    """The queue entry `queued`, once it has had that many attempts."""
    def find():
        return [e for e in hikyaku.queue_list()
                if e["queue_id"] == queued and e["queue_name"] == "deferred" and e["attempts"] >= attempts]
    return wait_until(find, 10, f"{queued} is deferred")[0]


class Deferred(unittest.TestCase):
    def test_a_temporary_refusal_is_listed_with_its_reason_and_its_next_attempt(self):
        with NextHop({"rcpt": LATER}) as hop, Instance(hop, SLOWLY) as hikyaku:
            before = int(time.time())
            queued = hikyaku.send("ann@origin.test", "bob@dest.test", message("wait"))
            found = entry(hikyaku, queued)
            self.assertEqual(found["sender"], "ann@origin.test")
            self.assertEqual(found["attempts"], 1)
            [recipient] = found["recipients"]
            self.assertEqual(recipient["address"], "bob@dest.test")
            self.assertIn(LATER, recipient["delay_reason"])
            self.assertGreaterEqual(found["message_size"], len(message("wait")))
            self.assertTrue(before <= found["arrival_time"] <= time.time())
            self.assertEqual(found["expires"], found["arrival_time"] + 86400)
            # Linear: a seconds after the attempt, which was made at once (row 41).
            self.assertTrue(before + 1000 <= found["next_attempt"] <= time.time() + 1001)
            [line] = hikyaku.wait_for_log(f"{queued}: to=<bob@dest.test>")
            self.assertRegex(line, r"dsn=4\.2\.0, status=deferred \(.*450 4\.2\.0 Mailbox is busy.*\)$")

    def test_the_exponential_schedule_begins_after_a_plus_b_seconds(self):
        """The defaults: 480 × 1 − 240 (rows 42, 43)."""
        with NextHop({"rcpt": LATER}) as hop, Instance(hop) as hikyaku:
            before = int(time.time())
            found = entry(hikyaku, hikyaku.send("ann@origin.test", "bob@dest.test", message("wait")))
            self.assertTrue(before + 240 <= found["next_attempt"] <= time.time() + 241)

    def test_the_retry_delivers(self):
        with NextHop({"rcpt": times(2, LATER, "250 2.1.5 Ok")}) as hop, Instance(hop, QUICKLY) as hikyaku:
            began = time.monotonic()
            queued = hikyaku.send("ann@origin.test", "bob@dest.test", message("again"))
            wait_until(lambda: hop.messages_for("bob@dest.test"), 15, "delivered by a retry")
            self.assertGreaterEqual(time.monotonic() - began, 1.9)
            self.assertEqual(hop.rcpt_count("bob@dest.test"), 3)
            hikyaku.wait_for_empty_queue()
            self.assertEqual(len(hikyaku.wait_for_log(f"{queued}: to=.*status=deferred", count=2)), 2)
            self.assertEqual(len(hikyaku.wait_for_log(f"{queued}: to=.*status=sent")), 1)

    def test_a_retry_starts_within_a_second_of_its_time(self):
        with NextHop({"rcpt": times(1, LATER, "250 2.1.5 Ok")}) as hop:
            with Instance(hop, {**QUICKLY, "retry_a": "2s"}) as hikyaku:
                began = time.monotonic()
                hikyaku.send("ann@origin.test", "bob@dest.test", message("again"))
                wait_until(lambda: hop.messages_for("bob@dest.test"), 10)
                self.assertLess(time.monotonic() - began, 3 + 0.5 * PATIENCE)

    def test_a_recipient_that_was_served_is_never_served_again(self):
        answers = {("rcpt", "late@dest.test"): times(2, LATER, "250 2.1.5 Ok")}
        with NextHop(answers) as hop, Instance(hop, QUICKLY) as hikyaku:
            recipients = ["now@dest.test", "late@dest.test", "also@dest.test"]
            queued = hikyaku.send("ann@origin.test", recipients, message("partly"))
            left = entry(hikyaku, queued)
            self.assertEqual([r["address"] for r in left["recipients"]], ["late@dest.test"])
            wait_until(lambda: hop.messages_for("late@dest.test"), 15)
            hikyaku.wait_for_empty_queue()
            self.assertEqual([hop.rcpt_count(recipient) for recipient in recipients], [1, 3, 1])
            self.assertEqual([len(hop.messages_for(recipient)) for recipient in recipients], [1, 1, 1])

    def test_a_next_hop_that_is_down_defers_the_mail_until_it_is_up(self):
        with NextHop(listening=False) as hop, Instance(hop, QUICKLY) as hikyaku:
            queued = hikyaku.send("ann@origin.test", "bob@dest.test", message("down"))
            self.assertIn("refused", entry(hikyaku, queued)["recipients"][0]["delay_reason"].lower())
            hop.listen()
            wait_until(lambda: hop.messages_for("bob@dest.test"), 15)

    def test_a_lost_connection_at_any_stage_defers_the_mail(self):
        for stage in ("connect", "ehlo", "mail", "rcpt", "data", "dot"):
            with self.subTest(stage=stage), NextHop({stage: DROP}) as hop, Instance(hop, QUICKLY) as hikyaku:
                queued = hikyaku.send("ann@origin.test", "bob@dest.test", message("lost"))
                entry(hikyaku, queued)
                hop.answers.clear()
                wait_until(lambda: hop.messages_for("bob@dest.test"), 15)
                hikyaku.wait_for_empty_queue()
                # The reply to the dot was lost: sent again rather than not at all.
                self.assertEqual(len(hop.messages_for("bob@dest.test")), 1)

    def test_a_temporary_refusal_of_the_whole_session_defers_the_mail(self):
        for stage, reply in (("connect", "421 4.3.2 Not now"), ("mail", "451 4.3.0 Try later"),
                             ("data", "451 4.3.0 Try later"), ("dot", "452 4.3.1 Disk is full")):
            with self.subTest(stage=stage), NextHop({stage: reply}) as hop, Instance(hop, QUICKLY) as hikyaku:
                queued = hikyaku.send("ann@origin.test", "bob@dest.test", message("busy"))
                self.assertIn(reply, entry(hikyaku, queued)["recipients"][0]["delay_reason"])
                hop.answers.clear()
                wait_until(lambda: hop.messages_for("bob@dest.test"), 15)


class Expired(unittest.TestCase):
    def test_retrying_ends_and_the_sender_is_told(self):
        """Given up at once when the next retry would be too late (row 40, C2)."""
        settings = {"retry_method": "linear", "retry_a": "1s", "retry_period": "3s"}
        with NextHop({("rcpt", "bob@dest.test"): LATER}) as hop, Instance(hop, settings) as hikyaku:
            queued = hikyaku.send("ann@origin.test", "bob@dest.test", message("never"))
            report = wait_until(lambda: hop.messages_for("ann@origin.test"), 15, "the report")[0]
            self.assertEqual(report.sender, "")
            self.assertIn(b"Action: failed", report.content)
            self.assertIn(b"450 4.2.0 Mailbox is busy", report.content)
            self.assertRegex(report.content, rb"(?m)^Status: [45]\.\d+\.\d+\r$")
            [line] = hikyaku.wait_for_log(f"{queued}: to=<bob@dest.test>.*status=expired")
            self.assertIn("450 4.2.0", line)
            hikyaku.wait_for_empty_queue()
            # One first attempt, then a retry a second later, and so on within the period.
            self.assertIn(hop.rcpt_count("bob@dest.test"), (3, 4))


if __name__ == "__main__":
    main()
