"""Mail of which only the index tells: verify and salvage find it, and say what is wrong with a damaged index. What
cannot be read of it, or of the log, is said by whoever looks at the queue, and costs no other message."""

import json
import time
import unittest

from harness import DATA, OK, TRY_AGAIN, main, message, wait_until
from queue_actions_test import Stopped

PAGE = 4096

class Index(Stopped):
    """A stopped instance with mail that rests, which the journal does not name any more."""

    def setUp(self):
        super().setUp()
        self.data = self.hikyaku.queue / "index" / "data.mdb"

    def resting(self, restarts=2):
        """Four messages: two deferred, one of them to two recipients of which one is done; one held; one delivered."""
        self.hop.answers[("rcpt", "done@dest.test")] = "250 2.1.5 Ok"
        mail = (["r0@dest.test"], ["done@dest.test", "r1@dest.test"], ["r2@dest.test"], ["done@dest.test"])
        ids = [self.hikyaku.send(f"s{n}@origin.test", recipients, message(f"m{n}", [f"TEXT{n}"]))
               for n, recipients in enumerate(mail)]
        self.hikyaku.wait_for_log(f"{ids[3]}: removed")
        wait_until(lambda: [e["attempts"] for e in self.hikyaku.queue_list()] == [1, 1, 1])
        self.hikyaku.must_run("queue", "hold", ids[2])
        wait_until(lambda: all(f"s{n}@origin.test".encode() in self.data.read_bytes() for n in range(3)))
        for _ in range(restarts):  # a start writes a journal of what is in memory: not these
            self.hikyaku.stop()
            self.hikyaku.start()
        self.hikyaku.stop()
        [journal] = (self.hikyaku.queue / "journal").glob("[0-9]*")
        self.assertEqual(b"Mailbox is busy" in journal.read_bytes(), restarts == 0)
        return ids

    def spoil(self, path, text):
        data, at = path.read_bytes(), -1
        while (at := data.find(text, at + 1)) >= 0:
            self.change(path, at)

    def spoil_row(self, n):
        """A bit of the row of message n; pages of the index that are free now may have it too."""
        self.spoil(self.data, f"s{n}@origin.test".encode())


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
        self.hikyaku.sanitizer_options = ":handle_sigbus=0"  # LMDB ends the qmgr that reads it; the next looks first
        self.assertNotEqual(self.hikyaku.run("start").code, OK)
        self.hikyaku.run("abort")
        self.check_set_aside("set aside as index/damaged-1.mdb")

    def test_a_changed_bit_in_a_message_ends_qmgr_and_is_set_aside_by_the_next(self):
        ids = self.resting()
        self.spoil_row(0)
        self.check_told_and_saved(ids, "table msg: entry 1 makes no sense")
        self.hikyaku.restarts_expected = True
        self.check_set_aside(f"index: list: table msg: {ids[0]} is damaged")
        self.assertEqual(len(self.hikyaku.log_lines(rf"/qmgr\[\d+\]: .*table msg: {ids[0]}")), 1)


class Unread(Index):
    """What the operator is told, who would else believe in a smaller queue."""

    def listing(self):
        """(exit code, IDs, what is said to be unreadable) of the JSON listing."""
        outcome = self.hikyaku.run("queue", "list", "--json")
        lines = [json.loads(line) for line in outcome.stdout.splitlines()]
        unread = lines.pop()["unreadable"] if lines and "unreadable" in lines[-1] else None
        return outcome.code, [line["queue_id"] for line in lines], unread

    def wait_for_whole(self, ids):
        wait_until(lambda: self.listing() == (OK, ids, None), 15, f"a listing of {ids}")

    def check_all_arrive(self, numbers=(0, 1, 2)):
        self.hop.answers.clear()
        self.hikyaku.run("queue", "release", "ALL")
        self.hikyaku.run("flush")
        for n in numbers:
            wait_until(lambda: self.hop.messages_for(f"r{n}@dest.test"), 10, f"message {n}")

    def test_a_row_that_was_damaged_while_nothing_ran_is_named_and_the_listing_is_whole_after_it(self):
        ids = self.resting()
        self.spoil_row(1)
        self.hikyaku.restarts_expected = True
        self.hikyaku.start()
        self.hikyaku.wait_for_log(rf"/qmgr\[\d+\]: .*table msg: {ids[1]} is damaged")
        self.hikyaku.wait_for_log("set aside as index/damaged-1.mdb")
        self.wait_for_whole(ids[:3])
        self.check_all_arrive()
        self.hikyaku.wait_for_empty_queue()

    def test_a_row_that_a_start_reads_fails_no_start(self):
        ids = self.resting(restarts=0)  # the journal names the mail, so its rows are read
        self.spoil_row(1)
        self.hikyaku.start()
        self.hikyaku.wait_for_log(rf"/qmgr\[\d+\]: .*table msg: {ids[1]} is damaged")
        self.wait_for_whole(ids[:3])
        self.assertEqual(self.hikyaku.services()["qmgr"]["restarts"], 0)
        self.check_all_arrive()
        self.hikyaku.wait_for_empty_queue()

    def check_met_by(self, *command):
        """A row breaks under a running qmgr, and a command meets it."""
        ids = self.resting()
        self.hikyaku.start()
        self.wait_for_whole(ids[:3])
        time.sleep(1)  # what a start looks through is behind it
        self.hikyaku.restarts_expected = True
        self.spoil_row(0)
        outcome = self.hikyaku.run("queue", *command)
        self.assertEqual(outcome.code, TRY_AGAIN, outcome)
        self.assertRegex(outcome.stderr, f"part of the queue could not be read: index: .*table msg: {ids[0]} is damaged")
        self.wait_for_whole(ids[:3])
        self.check_all_arrive()
        self.hikyaku.wait_for_empty_queue()
        return outcome

    def test_a_listing_that_meets_a_damaged_row_says_that_it_is_not_all(self):
        self.assertNotIn("is empty", self.check_met_by("list").stdout)

    def test_an_action_that_meets_a_damaged_row_says_that_it_did_not_do_all(self):
        self.assertTrue(self.check_met_by("delete", "ALL").stdout.startswith("0 messages deleted"))

    def test_a_message_whose_record_is_damaged_is_named_with_its_place_by_all_that_looks_at_it(self):
        ids = self.resting()
        path, _ = self.segment_of(b"s1@origin.test")
        self.spoil(path, b"s1@origin.test")
        self.hikyaku.start()
        place = f"message {ids[1]} in segment {int(path.name)} at offset [0-9]+ cannot be read"
        code, listed, unread = self.listing()
        self.assertEqual((code, listed, unread["messages"], unread["part"]), (DATA, ids[:3], 1, ""))
        self.assertRegex(unread["first"][0], place)
        for command in (["list"], ["summary"], ["show", ids[1]], ["show", "--json", ids[1]], ["why", ids[1]],
                        ["retry", ids[1]], ["expire", "ALL", "--dry-run"], ["hold", "--recipient", "r1@dest.test"]):
            outcome = self.hikyaku.run("queue", *command)
            self.assertEqual(outcome.code, DATA, outcome)
            self.assertRegex(outcome.stderr, f"1 message could not be read\n.*{place}")
        self.assertEqual(self.hikyaku.run("queue", "hold", "--recipient", "r1@else.test").code, OK)
        deleted = self.hikyaku.run("queue", "delete", "--json", "ALL", "--dry-run")
        self.assertEqual(deleted.code, DATA, deleted)
        answer = json.loads(deleted.stdout)
        self.assertEqual((answer["count"], answer["unknown"], answer["unreadable"]["messages"]), (2, [], 1))
        self.check_all_arrive((0, 2))
        wait_until(lambda: self.listing()[:2] == (DATA, [ids[1]]))
        self.assertEqual(len(self.hikyaku.log_lines(rf"/qmgr\[\d+\]: .*{place}")), 1)
        # Whoever names it can let go of it, and the queue is whole again.
        self.hikyaku.must_run("queue", "delete", ids[1])
        self.assertEqual(self.listing(), (OK, [], None))
        self.hikyaku.wait_for_log(f"{ids[1]}: removed")


if __name__ == "__main__":
    main()
