"""Daemons that die, and stops in the middle: mail flows on and nothing that was accepted is lost."""

import os
import re
import signal
import threading
import time
import unittest

from harness import OK, UNAVAILABLE, Instance, alive, main, message, wait_until
from next_hop import NextHop

QUICKLY = {"retry_method": "linear", "retry_a": "1s", "retry_period": "300s"}
LATER = "450 4.2.0 Later"


def whole(hikyaku):
    """Whether every service has a living process."""
    services = hikyaku.services()
    return all(service["pids"] and all(alive(pid) for pid in service["pids"]) for service in services.values())


class Sender(threading.Thread):
    """Sends message after message until told to stop, over a new session whenever one breaks."""

    def __init__(self, hikyaku, name):
        super().__init__(daemon=True)
        self.hikyaku, self.sender = hikyaku, name
        self.accepted, self.unexpected = [], []
        self.stopping = threading.Event()

    def run(self):
        number = 0
        while not self.stopping.is_set():
            try:
                with self.hikyaku.client() as client:
                    client.hello()
                    while not self.stopping.is_set():
                        number += 1
                        subject = f"{self.sender}-{number}"
                        client.transaction("ann@origin.test", "bob@dest.test", message(subject))
                        self.accepted.append(subject)
                        time.sleep(0.002)
            except OSError:
                time.sleep(0.02)  # the daemon died, or was not there yet
            except AssertionError as error:
                if not re.search(r"got 4\d\d ", str(error)):  # "not now" is an honest answer
                    self.unexpected.append(str(error))
                time.sleep(0.02)

    def finish(self):
        self.stopping.set()
        self.join(30)
        assert not self.is_alive(), "a client hangs"


class Restart(unittest.TestCase):
    def daemons(self, hikyaku):
        names = [name for name in hikyaku.services() if name != "master"]
        self.assertGreaterEqual(len(names), 4, "smtpd, cleanup, qmgr, smtp-client at least")
        return names

    @staticmethod
    def accepted(hikyaku, recipient):
        """Whether a message is accepted now; "try again later" is an honest answer while daemons find each other."""
        try:
            return hikyaku.send("ann@origin.test", recipient, message("after"))
        except OSError:
            return None
        except AssertionError as error:
            if re.search(r"got 4\d\d ", str(error)):
                return None
            raise

    def subjects(self, hop):
        with hop.lock:
            return [re.search(rb"(?m)^Subject: (.*)\r$", m.header).group(1).decode() for m in hop.messages]

    def test_an_idle_daemon_that_is_killed_comes_back_and_mail_flows(self):
        with NextHop() as hop, Instance(hop, QUICKLY) as hikyaku:
            hikyaku.send("ann@origin.test", "first@dest.test", message("first"))
            wait_until(lambda: hop.messages_for("first@dest.test"))
            for name in self.daemons(hikyaku):
                with self.subTest(service=name):
                    before = hikyaku.services()[name]["restarts"]
                    old = hikyaku.kill(name)
                    self.assertTrue(old, f"{name} has no process")
                    wait_until(lambda: set(hikyaku.services()[name]["pids"]).isdisjoint(old) and whole(hikyaku), 10,
                               f"{name} is back")
                    self.assertGreater(hikyaku.services()[name]["restarts"], before)
                    recipient = f"{name}@dest.test".lower()
                    wait_until(lambda: self.accepted(hikyaku, recipient), 10, f"mail is accepted after {name} died")
                    wait_until(lambda: hop.messages_for(recipient), 15, f"mail is delivered after {name} died")
            hikyaku.wait_for_empty_queue(15)

    def test_nothing_is_lost_when_daemons_die_under_load(self):
        with NextHop() as hop, Instance(hop, QUICKLY) as hikyaku:
            senders = [Sender(hikyaku, f"s{n}") for n in range(4)]
            for sender in senders:
                sender.start()
            wait_until(lambda: len(hop.messages) > 50, 15, "mail flows")
            for name in self.daemons(hikyaku):
                hikyaku.kill(name)
                wait_until(lambda: whole(hikyaku), 15, f"{name} is back")
                now = len(hop.messages)
                wait_until(lambda: len(hop.messages) > now + 20, 20, f"mail flows after {name} died")
            for sender in senders:
                sender.finish()
            accepted = [subject for sender in senders for subject in sender.accepted]
            try:
                wait_until(lambda: set(accepted) <= set(self.subjects(hop)), 30)
            except AssertionError:
                lost = sorted(set(accepted) - set(self.subjects(hop)))
                self.fail(f"{len(lost)} of {len(accepted)} accepted messages are lost: {lost[:10]}\n"
                          + hikyaku.log()[-5000:])
            self.assertEqual([text for sender in senders for text in sender.unexpected], [])
            hikyaku.wait_for_empty_queue(20)

    def test_deferred_mail_goes_on_after_stop_and_start(self):
        """With its attempts counted on, and every message once."""
        with NextHop({"rcpt": LATER}) as hop, Instance(hop, {**QUICKLY, "retry_a": "2s"}) as hikyaku:
            recipients = [f"r{n}@dest.test" for n in range(20)]
            ids = [hikyaku.send("ann@origin.test", recipient, message(recipient)) for recipient in recipients]
            wait_until(lambda: len(hikyaku.queue_list()) == len(ids)
                       and all(e["attempts"] >= 1 for e in hikyaku.queue_list()), 10)
            hikyaku.stop()
            self.assertEqual(hikyaku.run("status").code, UNAVAILABLE)
            hikyaku.start()
            listed = {e["queue_id"]: e for e in hikyaku.queue_list()}
            self.assertEqual(sorted(listed), sorted(ids))
            self.assertTrue(all(e["attempts"] >= 1 for e in listed.values()))
            hop.answers.clear()
            wait_until(lambda: len(hop.messages) >= 20, 15)
            hikyaku.wait_for_empty_queue()
            self.assertEqual(sorted(m.recipients[0] for m in hop.messages), sorted(recipients))

    def test_deferred_mail_survives_the_death_of_every_daemon_at_once(self):
        with NextHop({"rcpt": LATER}) as hop, Instance(hop, QUICKLY) as hikyaku:
            ids = [hikyaku.send("ann@origin.test", f"r{n}@dest.test", message(f"m{n}")) for n in range(20)]
            self.kill_everything(hikyaku)
            hikyaku.start()
            hop.answers.clear()
            wait_until(lambda: len({m.recipients[0] for m in hop.messages}) == len(ids), 20, "all are delivered")
            hikyaku.wait_for_empty_queue()

    def test_the_daemons_end_when_master_dies(self):
        """Two masters must never work on one queue."""
        with NextHop() as hop, Instance(hop, QUICKLY) as hikyaku:
            pids = hikyaku.pids()
            hikyaku.kill("master")
            wait_until(lambda: not [pid for pid in pids if alive(pid)], 10, "every daemon has ended")
            self.assertEqual(hikyaku.run("status").code, UNAVAILABLE)
            hikyaku.start()
            hikyaku.send("ann@origin.test", "bob@dest.test", message("again"))
            wait_until(lambda: hop.messages_for("bob@dest.test"))
            self.assertEqual(hikyaku.run("status").code, OK)

    @staticmethod
    def kill_everything(hikyaku):
        hikyaku.restarts_expected = True
        services = hikyaku.services()
        master = services.pop("master")["pids"]
        pids = master + [pid for service in services.values() for pid in service["pids"]]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        wait_until(lambda: not [pid for pid in pids if alive(pid)], 10)


if __name__ == "__main__":
    main()
