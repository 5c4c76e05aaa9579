"""Mail of which only the index tells: verify and salvage find it, and say what is wrong with a damaged index."""

import unittest

from harness import DATA, OK, main, message, wait_until
from queue_actions_test import Stopped

PAGE = 4096

class Index(Stopped):
    """A stopped instance with mail that rests, which the journal does not name any more."""

    def setUp(self):
        super().setUp()
        self.data = self.hikyaku.queue / "index" / "data.mdb"

    def resting(self):
        """Four messages: two deferred, one of them to two recipients of which one is done; one held; one delivered."""
        self.hop.answers[("rcpt", "done@dest.test")] = "250 2.1.5 Ok"
        mail = (["r0@dest.test"], ["done@dest.test", "r1@dest.test"], ["r2@dest.test"], ["done@dest.test"])
        ids = [self.hikyaku.send(f"s{n}@origin.test", recipients, message(f"m{n}", [f"TEXT{n}"]))
               for n, recipients in enumerate(mail)]
        self.hikyaku.wait_for_log(f"{ids[3]}: removed")
        wait_until(lambda: [e["attempts"] for e in self.hikyaku.queue_list()] == [1, 1, 1])
        self.hikyaku.must_run("queue", "hold", ids[2])
        wait_until(lambda: all(f"s{n}@origin.test".encode() in self.data.read_bytes() for n in range(3)))
        for _ in range(2):  # a start writes a journal of what is in memory: not these
            self.hikyaku.stop()
            self.hikyaku.start()
        self.hikyaku.stop()
        [journal] = (self.hikyaku.queue / "journal").glob("[0-9]*")
        self.assertNotIn(b"Mailbox is busy", journal.read_bytes())
        return ids


class Whole(Index):
    def test_mail_that_only_the_index_knows_waits_and_comes_out_with_its_state(self):
        ids = self.resting()
        before = self.files()
        code, found = self.verify()
        self.assertEqual((code, found["intact"], found["waiting"], found["missing"]), (OK, True, 3, []), found)
        self.assertEqual((found["index"]["file"], found["index"]["messages"]), ("index/data.mdb", 3))
        self.assertEqual(found["index"]["problems"], [])
        self.assertIn("index/data.mdb: 3 messages, ", self.hikyaku.must_run("queue", "verify"))
        self.assertIn("3 messages to 3 recipients", self.hikyaku.must_run("queue", "salvage", self.target))
        out = self.salvaged()
        self.assertEqual(sorted(out), sorted(ids[:3]))
        states = {queued: (envelope["recipients"][0]["address"], len(envelope["recipients"]), envelope["held"],
                           envelope["recipients"][0].get("attempts"))
                  for queued, (envelope, _) in out.items()}
        self.assertEqual(states, {ids[0]: ("r0@dest.test", 1, False, 1), ids[1]: ("r1@dest.test", 1, False, 1),
                                  ids[2]: ("r2@dest.test", 1, True, 1)})
        for envelope, _ in out.values():
            self.assertIn("Mailbox is busy", envelope["recipients"][0]["delay_reason"])
        self.assertEqual(self.files(), before)  # only read

class Damaged(Index):
    def check_told_and_saved(self, ids, what):
        """verify says `what`, salvage gives out all that waits, whole, and says that it may be more than that."""
        code, found = self.verify()
        self.assertEqual((code, found["intact"], found["index"]["file"]), (DATA, False, "index/data.mdb"), found)
        self.assertRegex("\n".join(found["index"]["problems"]), what)
        self.assertIn("index/data.mdb: ", self.hikyaku.run("queue", "verify").stdout)
        outcome = self.hikyaku.run("queue", "salvage", self.target)
        self.assertEqual(outcome.code, DATA, outcome)
        self.assertIn("the index is damaged: some recipients may have their mail already", outcome.stdout)
        out = self.salvaged()
        self.assertLessEqual(set(ids[:3]), set(out))
        for n, queued in enumerate(ids[:3]):
            self.assertTrue(out[queued][1].endswith(message(f"m{n}", [f"TEXT{n}"])))
            self.assertIn(f"r{n}@dest.test", [r["address"] for r in out[queued][0]["recipients"]])

    def check_set_aside(self, what):
        """The next start tells it, sets the file aside, and delivers what the log holds."""
        self.hop.answers.clear()
        self.hikyaku.start()
        self.hikyaku.wait_for_log(f"qmgr.*{what}")
        self.hikyaku.wait_for_log("qmgr.*index of what rests is new.*all of the log is read")
        self.hikyaku.run("queue", "release", "ALL")
        self.hikyaku.run("flush")
        for n in range(3):
            wait_until(lambda: self.hop.messages_for(f"r{n}@dest.test"), 10, f"message {n}")
        self.hikyaku.wait_for_empty_queue()
        for n in range(3):
            self.assertTrue(self.hop.messages_for(f"r{n}@dest.test")[0].content.endswith(message(f"m{n}", [f"TEXT{n}"])))

    def test_without_its_index_the_queue_is_read_from_the_log(self):
        ids = self.resting()
        self.data.unlink()
        self.check_told_and_saved(ids, "is not there")
        self.check_set_aside("there is a journal")

    def test_an_index_whose_first_pages_are_broken_is_set_aside(self):
        ids = self.resting()
        self.change(self.data, 0, 2 * PAGE)
        self.check_told_and_saved(ids, "cannot be opened")
        self.check_set_aside("set aside as index/damaged-1.mdb")

    def test_an_index_that_was_cut_short_ends_no_command(self):
        ids = self.resting()
        with open(self.data, "r+b") as file:
            file.truncate(3 * PAGE)
        self.check_told_and_saved(ids, ".")

    def test_a_changed_bit_in_a_message_ends_qmgr_and_is_set_aside_by_the_next(self):
        ids = self.resting()
        data, at = self.data.read_bytes(), -1
        while (at := data.find(b"s0@origin.test", at + 1)) >= 0:  # pages that are free now still have it
            self.change(self.data, at)
        self.check_told_and_saved(ids, "table msg: entry 1 makes no sense")
        self.hikyaku.restarts_expected = True
        self.check_set_aside("index: list: MDB_CORRUPTED")


if __name__ == "__main__":
    main()
