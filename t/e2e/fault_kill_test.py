"""The short form of t/fault/kill: daemons killed at random, and an account of every message."""

import os
import subprocess
import sys
import unittest

from harness import PATIENCE, SBIN, TREE, main
from slow_disk import slow_sbin

KILL = TREE / "t" / "fault" / "kill"


class FaultKill(unittest.TestCase):
    def run_rounds(self, *options, sbin=SBIN):
        done = subprocess.run([sys.executable, str(KILL), "--clients", "4", *options],
                              env={**os.environ, "HIKYAKU_SBIN": str(sbin)}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=80 * PATIENCE)
        self.assertEqual(done.returncode, 0, "\n" + done.stdout)

    def test_nothing_is_lost_in_three_rounds_of_kills(self):
        # Other tests run at the same time, and sanitizers are slow.
        self.run_rounds("--rounds", "3", "--seconds", "2", "--window", "500")

    def test_nothing_is_lost_where_flushes_are_long_and_made_in_a_thread(self):
        with slow_sbin(SBIN, 5) as sbin:
            self.run_rounds("--rounds", "3", "--seconds", "2", "--window", "500", sbin=sbin)

    def test_the_account_shows_a_destroyed_segment(self):
        self.run_rounds("--control", "--rounds", "1", "--seconds", "0.5")


if __name__ == "__main__":
    main()
