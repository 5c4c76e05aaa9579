"""Segments of the log in which little is alive are emptied: their space comes back, and no message is harmed."""

import contextlib
import hashlib
import threading
import time
import unittest

from harness import Instance, main, message, wait_until
from next_hop import NextHop

LATER = "450 4.2.0 Later"
SLOWLY = {"retry_method": "linear", "retry_a": "1000s", "retry_period": "86400s"}
KIBIBYTE = 1024
MESSAGES, CLIENTS, SIZE = 4100, 4, 50 * KIBIBYTE


def content(number, size=SIZE):
    line = b"%06d " % number + b"x" * 900 + b"\r\n"
    return message(f"number {number}", recipient="bob@dest.test") + line * (size // len(line))


def fingerprint(lines):
    """Of what follows the header."""
    return hashlib.sha256(lines.split(b"\r\n\r\n", 1)[1]).hexdigest()


class ForgetfulHop(NextHop):
    """Keeps fingerprints only, by recipient: the mail of these tests would fill the memory."""

    def __init__(self, answers):
        super().__init__(answers)
        self.arrived = {}

    def note_attempt(self, message):
        pass

    def note_command(self, session, line):
        pass

    def note_message(self, message):
        with self.lock:
            for recipient in message.recipients:
                self.arrived.setdefault(recipient, []).append(fingerprint(message.content))


def segments(hikyaku):
    return sorted(int(path.name) for path in (hikyaku.queue / "log").glob("[0-9]*"))


class ReclaimTest(unittest.TestCase):
    def send(self, hikyaku, numbers):
        """Every tenth message waits. Each is sent until it is accepted."""
        numbers = list(numbers)
        while numbers:
            with contextlib.suppress(AssertionError, OSError), hikyaku.client() as client:
                client.hello()
                while numbers:
                    recipient = f"{'bob' if numbers[0] % 10 else f'later{numbers[0]}'}@dest.test"
                    client.transaction("ann@origin.test", recipient, content(numbers[0]))
                    numbers.pop(0)

    def fill(self, hikyaku, meanwhile):
        """Returns what is to arrive of those that wait."""
        big = content(-1, 400 * KIBIBYTE)
        hikyaku.send("ann@origin.test", "later@dest.test", big)
        threads = [threading.Thread(target=self.send, args=(hikyaku, range(first, MESSAGES, CLIENTS)))
                   for first in range(CLIENTS)]
        for thread in threads:
            thread.start()
        meanwhile()
        for thread in threads:
            thread.join()
        waiting = {f"later{number}@dest.test": fingerprint(content(number)) for number in range(0, MESSAGES, 10)}
        return {**waiting, "later@dest.test": fingerprint(big)}

    def test_space_comes_back_while_messages_wait_and_daemons_are_killed(self):
        def answer(recipient):
            return LATER if recipient.startswith("later") else "250 2.1.5 Ok"

        with ForgetfulHop({"rcpt": answer}) as hop, Instance(hop, SLOWLY) as hikyaku:
            first = segments(hikyaku)[0]

            def kill():
                # With three full ones it begins.
                wait_until(lambda: segments(hikyaku)[-1] >= first + 3, 60, "some segments are full")
                for service in ("cleanup", "qmgr", "cleanup", "qmgr"):
                    time.sleep(0.3)
                    hikyaku.kill(service)

            waiting = self.fill(hikyaku, kill)
            wait_until(lambda: len(segments(hikyaku)) <= 3 and segments(hikyaku)[0] > first, 30,
                       f"the first segments are freed, not {segments(hikyaku)}")
            hikyaku.wait_for_log(r"reclaim: \d+ messages of segment")
            resting = {recipient["address"] for entry in hikyaku.queue_list() for recipient in entry["recipients"]}
            self.assertEqual(resting, set(waiting))

            hikyaku.stop()
            hikyaku.start()
            hop.answers["rcpt"] = "250 2.1.5 Ok"
            hikyaku.must_run("queue", "retry", "ALL")
            hikyaku.wait_for_empty_queue(20)
            for recipient, expected in waiting.items():
                self.assertEqual(set(hop.arrived.get(recipient, [])), {expected}, recipient)
            wait_until(lambda: len(segments(hikyaku)) == 1, 10, "all but the current segment are freed")
            self.assertFalse(hikyaku.log_lines(r"cannot be (read|moved)"))


if __name__ == "__main__":
    main()
