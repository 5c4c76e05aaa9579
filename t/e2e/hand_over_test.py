"""The hand-over between qmgr and its workers: only a reply that was lost can make a message arrive twice."""

import os
import re
import signal
import time
import unittest
from collections import Counter

from harness import PATIENCE, Instance, main, message, wait_until
from next_hop import SILENT, NextHop
from restart_test import Sender, whole

QUICKLY = {"retry_method": "linear", "retry_a": "1s", "retry_period": "300s"}
REASON = "its delivery ended smtp-client three times"
IN_DOUBT = r" (\w+): delivery in doubt: smtp-client \(process \d+\) died; may be sent more than once"


class Timed(NextHop):
    """A next hop that needs a moment for each answer, and knows when it took which message."""

    def __init__(self):
        super().__init__({"dot": self.took}, delay=0.004)
        self.taken = {}

    def took(self, taken):
        with self.lock:
            self.taken.setdefault(subject_of(taken), []).append(time.monotonic())
        return "250 2.0.0 Ok: taken"


def subject_of(taken):
    return re.search(rb"(?m)^Subject: (.*)\r$", taken.header).group(1).decode()


def two_clients(hikyaku):
    """Two processes of smtp-client."""
    text = (hikyaku.config / "master.cf").read_text()
    hikyaku.write_config("master.cf", re.sub(r"(?m)^(smtp .*)\b1( +smtp-client)$", r"\g<1>2\2", text))


class HandOver(unittest.TestCase):
    def setUp(self):
        self.hop = self.enterContext(Timed())

    def instance(self, **settings):
        return Instance(self.hop, {**QUICKLY, **settings}, started=False)

    def send_while(self, hikyaku, kill, strikes):
        """Calls kill(n) so often while mail flows; returns when all of it has arrived."""
        senders = [Sender(hikyaku, f"s{n}") for n in range(4)]
        for sender in senders:
            sender.start()
        for n in range(strikes):
            now = len(self.hop.messages)
            wait_until(lambda: len(self.hop.messages) > now + 60, 20, "mail flows")
            kill(n)
            wait_until(lambda: whole(hikyaku), 15, "all are back")
        for sender in senders:
            sender.finish()
        accepted = {subject for sender in senders for subject in sender.accepted}
        wait_until(lambda: accepted <= set(self.hop.taken), 40, "all has arrived")
        self.assertEqual([text for sender in senders for text in sender.unexpected], [])
        hikyaku.wait_for_empty_queue(20)

    def twice(self):
        return {subject: times for subject, times in self.hop.taken.items() if len(times) > 1}

    def test_the_death_of_qmgr_repeats_nothing(self):
        with self.instance() as hikyaku:
            two_clients(hikyaku)
            hikyaku.start()
            self.send_while(hikyaku, lambda _: hikyaku.kill("qmgr"), 8)
            self.assertEqual(self.twice(), {})
            self.assertEqual(hikyaku.log_lines("in doubt"), [])

    def test_what_arrives_twice_was_taken_at_the_moment_of_a_client_s_death_and_is_told(self):
        kills = []

        def kill(n):
            if n % 2 == 0:
                hikyaku.kill("qmgr")
                return
            hikyaku.restarts_expected = True
            pids = hikyaku.services()["smtp"]["pids"]
            self.assertEqual(len(pids), 2)
            os.kill(pids[n // 2 % 2], signal.SIGKILL)
            kills.append(time.monotonic())

        with self.instance() as hikyaku:
            two_clients(hikyaku)
            hikyaku.start()
            self.send_while(hikyaku, kill, 8)
            log = hikyaku.log()
            doubts = Counter(re.findall(IN_DOUBT, log))
            self.assertTrue(doubts, "a client died with nothing in hand")
            id_of = {subject: queued for queued, subject in re.findall(r"(\w+): message-id=<(.*)@origin\.test>", log)}
            # A client that died while there was no qmgr, on a slow machine: nobody knows what it had in hand, nor since when.
            if hikyaku.log_lines("worker process .* died; what it had in hand may be sent more than once"):
                return
            for subject, times in self.twice().items():
                with self.subTest(subject=subject):
                    self.assertLessEqual(len(times) - 1, doubts[id_of[subject]])
                    for first in sorted(times)[:-1]:
                        self.assertTrue(any(when - 0.2 * PATIENCE < first < when + 0.5 * PATIENCE for when in kills),
                                        [first - when for when in kills])

    def test_while_a_client_lives_and_does_not_report_mail_is_taken_and_listed_and_waits(self):
        with self.instance() as hikyaku:
            two_clients(hikyaku)
            hikyaku.start()
            client, _ = hikyaku.services()["smtp"]["pids"]
            os.kill(client, signal.SIGSTOP)
            try:
                hikyaku.kill("qmgr")
                wait_until(lambda: whole(hikyaku), 10)
                queued = wait_until(lambda: self.accepted(hikyaku, "second"), 10, "mail is accepted")
                [entry] = wait_until(hikyaku.queue_list, 10)
                self.assertEqual((entry["queue_id"], entry["queue_name"]), (queued, "active"))
                time.sleep(0.3)
                self.assertNotIn("second", self.hop.taken)
            finally:
                os.kill(client, signal.SIGCONT)
            wait_until(lambda: "second" in self.hop.taken, 5)
            hikyaku.wait_for_empty_queue()
            self.assertEqual(self.twice(), {})

    @staticmethod
    def accepted(hikyaku, subject):
        try:
            return hikyaku.send("ann@origin.test", f"{subject}@dest.test", message(subject))
        except (OSError, AssertionError):  # daemons find each other
            return None

    def test_a_new_qmgr_hands_out_as_soon_as_the_clients_are_there(self):
        """No waiting beyond what the dead and the living need: a killed qmgr, a reload, a stop and a start."""
        with self.instance() as hikyaku:
            two_clients(hikyaku)
            hikyaku.start()

            def delivered_within(subject, seconds):
                began = time.monotonic()
                wait_until(lambda: self.accepted(hikyaku, subject), 10)
                wait_until(lambda: subject in self.hop.taken, 10)
                self.assertLess(time.monotonic() - began, seconds * PATIENCE)

            delivered_within("usual", 2)
            hikyaku.kill("qmgr")
            delivered_within("killed", 2)
            hikyaku.reload()
            delivered_within("reloaded", 2)
            hikyaku.stop()
            self.assertEqual(list((hikyaku.queue / "workers").iterdir()), [])  # all left in order
            hikyaku.start()
            delivered_within("started", 2)
            hikyaku.wait_for_empty_queue()

    def test_a_report_that_bounce_has_in_hand_when_qmgr_dies_is_made_once(self):
        self.hop.answers["rcpt"] = lambda who: "550 5.1.1 No" if who.startswith("bad") else "250 2.1.5 Ok"
        with self.instance() as hikyaku:
            hikyaku.start()
            for n in range(5):
                self.assertTrue(wait_until(lambda: self.accepted(hikyaku, f"bad{n}"), 10))
                # At any moment of the way from the refusal to the report's end.
                wait_until(lambda: hikyaku.log_lines(f"to=<bad{n}@dest.test>"), 10)
                time.sleep(0.002 * n)
                hikyaku.kill("qmgr")
                wait_until(lambda: whole(hikyaku), 10)
            wait_until(lambda: len(self.hop.messages_for("ann@origin.test")) >= 5, 10)
            hikyaku.wait_for_empty_queue()
            self.assertEqual(len(self.hop.messages_for("ann@origin.test")), 5)
            self.assertEqual(len(hikyaku.log_lines("sender non-delivery notification")), 5)


class Poison(unittest.TestCase):
    def go(self, clients):
        """kill -9 while the next hop lets us wait for its answer stands for a message that smtp-client dies of."""
        with NextHop({("rcpt", "poison@dest.test"): SILENT}) as hop, Instance(hop, QUICKLY, started=False) as hikyaku:
            if clients == 2:
                two_clients(hikyaku)
            hikyaku.start()
            poison = hikyaku.send("ann@origin.test", "poison@dest.test", message("poison"))
            is_held = lambda: hikyaku.log_lines(f"{poison}: held: ")
            for deaths in range(1, 4):
                # Two clients are killed one after the other, so the message may end both, the second one unseen.
                wait_until(lambda: hop.rcpt_count("poison@dest.test") == deaths or is_held(), 15, f"attempt {deaths}")
                if is_held():
                    break
                other = f"other{deaths}@dest.test"
                hikyaku.send("ann@origin.test", other, message(other))
                wait_until(lambda: hop.messages_for(other), 10, "other mail flows beside it")
                hikyaku.kill("smtp")
                wait_until(lambda: whole(hikyaku), 15)
            hikyaku.wait_for_log(f"{poison}: held: {REASON}")
            self.assertEqual(len(hikyaku.log_lines(f"{poison}: delivery in doubt: smtp-client")), 3)
            [entry] = hikyaku.queue_list()
            self.assertEqual((entry["queue_id"], entry["queue_name"]), (poison, "hold"))
            self.assertEqual(entry["hold_reason"], REASON)
            self.assertIn(REASON, hikyaku.must_run("queue", "why", poison))
            self.assertIn(REASON, hikyaku.must_run("queue", "show", "-e", poison))
            self.assertIn(REASON, hikyaku.must_run("queue", "list"))
            hikyaku.send("ann@origin.test", "last@dest.test", message("last"))
            wait_until(lambda: hop.messages_for("last@dest.test"), 10)
            attempts = hop.rcpt_count("poison@dest.test")
            self.assertTrue(attempts == 3 or (clients == 2 and attempts == 2), attempts)
            hikyaku.kill("qmgr")
            wait_until(lambda: whole(hikyaku), 10)
            [entry] = wait_until(hikyaku.queue_list, 10)
            self.assertEqual(entry["hold_reason"], REASON)
            hop.answers.clear()
            hikyaku.must_run("queue", "release", poison)
            hikyaku.wait_for_empty_queue()
            self.assertEqual(len(hop.messages_for("poison@dest.test")), 1)

    def test_a_message_that_ends_its_client_three_times_is_held_and_other_mail_flows(self):
        self.go(1)

    def test_so_it_is_with_two_clients(self):
        self.go(2)


if __name__ == "__main__":
    main()
