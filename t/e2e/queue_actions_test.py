"""What an operator does with mail that waits (hold, release, expire …), and with a queue whose files are damaged."""

import json
import os
import time
import unittest

from harness import DATA, OK, UNAVAILABLE, USAGE, Instance, main, message, wait_until
from next_hop import SILENT, NextHop

LATER = "450 4.2.0 Mailbox is busy"
SLOWLY = {"retry_method": "linear", "retry_a": "1000s", "retry_period": "86400s"}
SEGMENT_HEADER = 4096


class Waiting(unittest.TestCase):
    """Actions on mail that the next hop does not want yet."""

    settings = SLOWLY

    def setUp(self):
        self.hop = self.enterContext(NextHop({"rcpt": LATER}))
        self.hikyaku = self.enterContext(Instance(self.hop, self.settings))

    def entry(self, queued):
        """What the listing says of one message; None when it is not there."""
        return next((e for e in self.hikyaku.queue_list() if e["queue_id"] == queued), None)

    def names(self):
        return {e["queue_id"]: e["queue_name"] for e in self.hikyaku.queue_list()}

    def deferred(self, recipient="bob@dest.test", sender="ann@origin.test"):
        queued = self.hikyaku.send(sender, recipient, message("waiting", sender=sender))
        wait_until(lambda: (self.entry(queued) or {}).get("queue_name") == "deferred"
                   and self.entry(queued)["attempts"] == 1)
        return queued

    def act(self, verb, *arguments, **options):
        """The JSON answer of an action that must succeed."""
        return json.loads(self.hikyaku.must_run("queue", verb, "--json", *arguments, **options))


class Hold(Waiting):
    def test_held_mail_is_marked_and_does_not_move(self):
        queued, other = self.deferred(), self.deferred("carl@dest.test")
        self.assertIn("1 message put on hold", self.hikyaku.must_run("queue", "hold", queued))
        self.assertEqual(self.names(), {queued: "hold", other: "deferred"})
        self.assertRegex(self.hikyaku.must_run("queue", "list"), rf"(?m)^{queued}! ")
        self.hop.answers.clear()
        self.assertIn("0 messages", self.hikyaku.must_run("queue", "retry", queued))
        self.hikyaku.must_run("flush")
        wait_until(lambda: self.hop.messages_for("carl@dest.test"))
        time.sleep(0.5)  # long enough for what must not happen
        self.assertEqual(self.hop.messages_for("bob@dest.test"), [])
        self.assertEqual(self.entry(queued)["attempts"], 1)

    def test_released_mail_goes_back_into_its_schedule(self):
        queued = self.deferred()
        before = self.entry(queued)
        self.hikyaku.must_run("queue", "hold", queued)
        self.assertIn("1 message released", self.hikyaku.must_run("queue", "release", queued))
        self.assertEqual(self.entry(queued), before)  # its time is the old one, and no attempt was made or counted
        self.hop.answers.clear()
        self.hikyaku.must_run("queue", "retry", queued)
        wait_until(lambda: self.hop.messages_for("bob@dest.test"))

    def test_a_hold_and_a_release_survive_the_death_of_qmgr_right_after_the_answer(self):
        held, released = self.deferred(), self.deferred()
        self.hikyaku.must_run("queue", "hold", held, released)
        self.hikyaku.must_run("queue", "release", released)
        self.restart_qmgr()
        self.assertEqual(self.names(), {held: "hold", released: "deferred"})
        self.hikyaku.stop()
        self.hikyaku.start()
        self.assertEqual(self.names(), {held: "hold", released: "deferred"})

    def test_a_deletion_survives_the_death_of_qmgr_right_after_the_answer(self):
        gone, kept = self.deferred(), self.deferred()
        self.hikyaku.must_run("queue", "delete", gone)
        self.restart_qmgr()
        self.assertEqual(list(self.names()), [kept])

    def restart_qmgr(self):
        [old] = self.hikyaku.kill("qmgr")
        wait_until(lambda: self.hikyaku.services()["qmgr"]["pids"] not in ([], [old])
                   and self.hikyaku.run("queue", "list").code == OK, 10, "qmgr is back")

    def test_nothing_is_changed_twice(self):
        queued = self.deferred()
        self.assertEqual(self.act("release", queued)["count"], 0)
        self.assertEqual(self.act("hold", queued, queued)["count"], 1)
        self.assertEqual(self.act("hold", queued)["count"], 0)

    def test_actions_choose_by_ids_standard_input_all_and_filters(self):
        one = self.deferred("one@dest.test", "ann@origin.test")
        two = self.deferred("two@else.test", "ann@origin.test")
        three = self.deferred("three@dest.test", "eve@origin.test")
        for arguments, stdin, wanted in (
            ([one, three], "", {one, three}), (["-"], f"{two}\n{three}\n", {two, three}), (["ALL"], "", {one, two, three}),
            (["--sender", "ann@origin.test"], "", {one, two}), (["--recipient", "two@else.test"], "", {two}),
            (["--domain", "dest.test"], "", {one, three}), (["--domain", "dest.test", one, two], "", {one}),
            (["ALL", "--sender", "eve@origin.test", "--domain", "else.test"], "", set()),
        ):
            with self.subTest(arguments):
                self.assertEqual(self.act("hold", *arguments, "--dry-run", stdin=stdin)["count"], len(wanted))
                self.assertEqual(set(self.names().values()), {"deferred"})  # --dry-run changes nothing
                self.assertEqual(self.act("hold", *arguments, stdin=stdin)["count"], len(wanted))
                self.assertEqual({i for i, name in self.names().items() if name == "hold"}, wanted)
                self.act("release", "ALL")
        self.assertEqual(self.hikyaku.run("queue", "hold").code, USAGE)

    def test_an_unknown_id_is_named_and_the_others_are_done(self):
        queued = self.deferred()
        for verb in ("hold", "release", "expire"):
            outcome = self.hikyaku.run("queue", verb, "NOSUCHQUEUEID", queued)
            self.assertEqual(outcome.code, DATA, outcome)
            self.assertIn("NOSUCHQUEUEID", outcome.stderr)
            self.assertRegex(outcome.stdout, "^1 message ")


class Expire(Waiting):
    def test_expired_mail_is_returned_to_its_sender_with_the_last_reply(self):
        queued, kept = self.deferred(), self.deferred("carl@dest.test")
        self.hop.answers[("rcpt", "ann@origin.test")] = "250 2.1.5 Ok"
        self.assertIn("1 message would expire", self.hikyaku.must_run("queue", "expire", "--dry-run", queued))
        self.assertEqual(set(self.names()), {queued, kept})
        self.assertIn("1 message expired", self.hikyaku.must_run("queue", "expire", queued))
        [report] = wait_until(lambda: self.hop.messages_for("ann@origin.test"), 10, "a report")
        self.assertEqual(report.sender, "")
        self.assertIn(b"bob@dest.test", report.content)
        self.assertIn(b"Mailbox is busy", report.content)
        self.hikyaku.wait_for_log(f"{queued}: to=<bob@dest.test>.*status=expired")
        wait_until(lambda: list(self.names()) == [kept])

    def test_held_mail_expires_too(self):
        queued = self.deferred()
        self.hop.answers[("rcpt", "ann@origin.test")] = "250 2.1.5 Ok"
        self.hikyaku.must_run("queue", "hold", queued)
        self.hikyaku.must_run("queue", "expire", queued)
        wait_until(lambda: self.hop.messages_for("ann@origin.test"), 10, "a report")
        self.hikyaku.wait_for_empty_queue()

    def test_an_expiry_survives_the_death_of_qmgr_right_after_the_answer(self):
        queued = self.deferred()
        self.hop.answers[("rcpt", "ann@origin.test")] = "250 2.1.5 Ok"
        self.hikyaku.must_run("queue", "expire", queued)
        self.hikyaku.kill("qmgr")
        wait_until(lambda: self.hop.messages_for("ann@origin.test"), 15, "a report")
        wait_until(lambda: self.hikyaku.run("queue", "list").stdout.startswith("Mail queue is empty"), 10)
        self.assertEqual(self.hop.messages_for("bob@dest.test"), [])


class OnTheWire(unittest.TestCase):
    """A next hop that takes connections and says nothing: some mail is in hand, the rest waits for its turn."""

    def test_what_is_being_delivered_is_told_and_the_rest_expires_though_never_tried(self):
        with NextHop({"connect": SILENT}) as hop, Instance(hop, SLOWLY) as hikyaku:
            ids = [hikyaku.send("", f"r{n}@dest.test", message(f"m{n}")) for n in range(60)]
            wait_until(lambda: hop.session_count() > 0)
            time.sleep(0.5)
            would = json.loads(hikyaku.must_run("queue", "hold", "ALL", "--dry-run", "--json"))
            self.assertEqual(would["count"], len(ids))
            in_hand = would["on_the_wire"]
            self.assertTrue(0 < in_hand < len(ids), would)
            states = {queued: json.loads(hikyaku.must_run("queue", "why", "--json", queued))["waits_for"]
                      for queued in (ids[0], ids[-1])}
            self.assertEqual(states, {ids[0]: "delivery", ids[-1]: "turn"})
            text = hikyaku.must_run("queue", "expire", "ALL")
            self.assertRegex(text, rf"^{len(ids) - in_hand} messages expired\n{in_hand} messages? being delivered")
            wait_until(lambda: len(hikyaku.queue_list()) == in_hand)
            self.assertEqual(len(hikyaku.log_lines("status=expired")), len(ids) - in_hand)
            hikyaku.run("abort")


class Explain(Waiting):
    def test_why_tells_what_a_message_waits_for(self):
        queued = self.deferred()
        text = self.hikyaku.must_run("queue", "why", queued)
        for words in ("deferred: waits for its next attempt at", "tried 1 time;", "bob@dest.test: ", "Mailbox is busy"):
            self.assertIn(words, text)
        why = json.loads(self.hikyaku.must_run("queue", "why", "--json", queued))
        self.assertEqual((why["waits_for"], why["until"], why["queue_id"]), ("time", why["next_attempt"], queued))
        self.hikyaku.must_run("queue", "hold", queued)
        self.assertIn("on hold: waits for `hikyaku queue release", self.hikyaku.must_run("queue", "why", queued))
        self.assertEqual(self.hikyaku.run("queue", "why", "NOSUCHQUEUEID").code, DATA)

    def test_summary_counts_recipients_by_domain_and_tells_the_usual_reason(self):
        for n in range(3):
            self.deferred(f"r{n}@dest.test")
        self.deferred("x@else.test")
        summary = json.loads(self.hikyaku.must_run("queue", "summary", "--json"))
        self.assertEqual(summary["total"], 4)
        found = [(d["destination"], d["total"], d["by_age"][0]) for d in summary["destinations"]]
        self.assertEqual(found, [("dest.test", 3, 3), ("else.test", 1, 1)])
        self.assertIn("Mailbox is busy", summary["destinations"][0]["delay_reason"])
        self.assertEqual(summary["destinations"][0]["delay_reason_count"], 3)
        lines = self.hikyaku.must_run("queue", "summary").splitlines()
        self.assertEqual(lines[0].split()[:2], ["T", "5"])
        self.assertEqual(lines[1].split()[:3], ["TOTAL", "4", "4"])
        self.assertEqual(lines[2].split()[:3], ["dest.test", "3", "3"])


class LongListing(Waiting):
    def test_a_listing_of_several_slices_has_every_message_once_in_order(self):
        hikyaku = self.hikyaku
        ids = []
        with hikyaku.client() as client:
            client.hello()
            for n in range(1000):
                ids.append(client.transaction("ann@origin.test", f"r{n}@dest.test", message(f"m{n}")))
        wait_until(lambda: all(e["attempts"] for e in hikyaku.queue_list()), 30)
        self.assertEqual([e["queue_id"] for e in hikyaku.queue_list()], ids)
        self.assertIn("in 1000 Requests", hikyaku.must_run("queue", "list").splitlines()[-1])
        self.assertEqual(self.act("delete", "ALL")["count"], 1000)


class Stopped(Waiting):
    """What a stopped instance's files are looked at with."""

    def setUp(self):
        super().setUp()
        self.target = self.hikyaku.folder / "salvaged"

    def verify(self):
        outcome = self.hikyaku.run("queue", "verify", "--json")
        return outcome.code, json.loads(outcome.stdout)

    def salvaged(self):
        """{queue ID: (envelope, content)} of what was taken out."""
        return {path.name.split(".")[0]: (json.loads(path.read_text()),
                                          path.with_name(path.name.split(".")[0] + ".eml").read_bytes())
                for path in self.target.glob("*.envelope.json")}

    def segment_of(self, text):
        """(file, offset) of the segment that holds a text."""
        for path in sorted((self.hikyaku.queue / "log").glob("[0-9]*")):
            if (at := path.read_bytes().find(text)) >= 0:
                return path, at
        raise AssertionError(f"{text} is in no segment")

    def change(self, path, offset, length=1):
        """Spoils bytes of a file."""
        with open(path, "r+b") as file:
            file.seek(offset)
            spoilt = bytes(byte ^ 0x55 for byte in file.read(length))
            file.seek(offset)
            file.write(spoilt)

    def files(self):
        return {path: path.read_bytes() for path in self.hikyaku.queue.rglob("*") if path.is_file()}

    def three(self):
        """Three messages, then a stop; the second has the text SECOND in it."""
        ids = [self.hikyaku.send("ann@origin.test", f"r{n}@dest.test", message(f"m{n}", [name, ".dot"]))
               for n, name in enumerate(("FIRST", "SECOND", "THIRD"))]
        wait_until(lambda: [e["attempts"] for e in self.hikyaku.queue_list()] == [1, 1, 1])
        self.hikyaku.stop()
        return ids


class AtRest(Stopped):
    """verify and salvage, on the files of a stopped instance."""

    def test_they_work_only_on_a_stopped_queue(self):
        for command in (["verify"], ["salvage", self.target]):
            outcome = self.hikyaku.run("queue", *command)
            self.assertEqual(outcome.code, UNAVAILABLE, outcome)
            self.assertIn("stop Hikyaku first", outcome.stderr)
        self.assertFalse(self.target.exists())

    def test_a_good_queue_is_intact_and_comes_out_whole(self):
        ids = self.three()
        before = self.files()
        code, found = self.verify()
        self.assertEqual((code, found["intact"], found["waiting"], found["missing"]), (OK, True, 3, []))
        self.assertEqual(sum(file["messages"] for file in found["log"]), 3)
        self.assertIn("all is intact", self.hikyaku.must_run("queue", "verify"))
        self.assertIn("3 messages to 3 recipients", self.hikyaku.must_run("queue", "salvage", self.target))
        out = self.salvaged()
        self.assertEqual(sorted(out), sorted(ids))
        envelope, content = out[ids[1]]
        self.assertEqual((envelope["sender"], [r["address"] for r in envelope["recipients"]]),
                         ("ann@origin.test", ["r1@dest.test"]))
        self.assertIn("Mailbox is busy", envelope["recipients"][0]["delay_reason"])
        self.assertTrue(content.endswith(message("m1", ["SECOND", ".dot"])))
        self.assertEqual(self.files(), before)  # only read
        again = self.hikyaku.run("queue", "salvage", self.target)
        self.assertEqual(again.code, DATA, again)
        self.assertIn("not empty", again.stderr)
        self.hikyaku.start()
        self.assertEqual([e["queue_id"] for e in self.hikyaku.queue_list()], ids)

    def test_recipients_that_are_done_stay_out(self):
        self.hop.answers[("rcpt", "done@dest.test")] = "250 2.1.5 Ok"
        queued = self.hikyaku.send("ann@origin.test", ["done@dest.test", "later@dest.test"], message("m"))
        whole = self.hikyaku.send("ann@origin.test", "done@dest.test", message("m"))
        self.hikyaku.wait_for_log(f"{whole}: removed")
        wait_until(lambda: (self.entry(queued) or {}).get("attempts"))
        self.hikyaku.stop()
        self.hikyaku.must_run("queue", "salvage", self.target)
        [(name, (envelope, _))] = self.salvaged().items()
        self.assertEqual((name, [r["address"] for r in envelope["recipients"]]), (queued, ["later@dest.test"]))

    def test_a_relative_directory_is_seen_from_where_the_command_was_given(self):
        self.three()
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(self.hikyaku.folder)
        self.hikyaku.must_run("queue", "salvage", "salvaged")
        self.assertEqual(len(self.salvaged()), 3)

    def test_a_damaged_message_is_told_with_its_place_and_the_others_come_out(self):
        ids = self.three()
        path, offset = self.segment_of(b"SECOND")
        self.change(path, offset)
        code, found = self.verify()
        self.assertEqual((code, found["intact"], found["waiting"]), (DATA, False, 2))
        [damaged] = [file for file in found["log"] if file["damage"]]
        [place] = damaged["damage"]
        self.assertEqual(damaged["file"], f"log/{path.name}")
        self.assertTrue(place["offset"] <= offset < place["offset"] + place["length"], found)
        self.assertIn("DAMAGED", self.hikyaku.run("queue", "verify").stdout)
        outcome = self.hikyaku.run("queue", "salvage", self.target)
        self.assertEqual(outcome.code, DATA, outcome)
        self.assertIn("2 messages to 2 recipients", outcome.stdout)
        self.assertEqual(sorted(self.salvaged()), sorted([ids[0], ids[2]]))

    def test_a_damaged_segment_header_is_told_and_its_mail_comes_out(self):
        ids = self.three()
        path, _ = self.segment_of(b"SECOND")
        self.change(path, 0, SEGMENT_HEADER)
        code, found = self.verify()
        self.assertEqual((code, found["waiting"]), (DATA, 3))
        [damaged] = [file for file in found["log"] if file["damage"]]
        self.assertEqual((damaged["file"], damaged["damage"]),
                         (f"log/{path.name}", [{"offset": 0, "length": SEGMENT_HEADER}]))
        self.assertEqual(self.hikyaku.run("queue", "salvage", self.target).code, DATA)
        self.assertEqual(sorted(self.salvaged()), sorted(ids))

    def test_a_damaged_journal_is_told_and_costs_no_mail(self):
        ids = self.three()
        [journal] = (self.hikyaku.queue / "journal").glob("[0-9]*")
        for offset in (40 + 20, 0):  # a record, then the header
            with self.subTest(offset=offset):
                self.change(journal, offset, 4)
                code, found = self.verify()
                self.assertEqual((code, found["intact"], found["waiting"]), (DATA, False, 3))
                target = self.hikyaku.folder / f"salvaged-{offset}"
                outcome = self.hikyaku.run("queue", "salvage", target)
                self.assertEqual(outcome.code, DATA, outcome)
                self.assertIn("the journal is damaged", outcome.stdout)
                self.assertEqual(sorted(p.name for p in target.glob("*.eml")), sorted(f"{i}.eml" for i in ids))

    def test_what_was_salvaged_is_delivered_when_it_is_sent_again(self):
        self.three()
        self.hikyaku.must_run("queue", "salvage", self.target)
        out = self.salvaged()
        self.hop.answers.clear()
        with Instance(self.hop) as other:
            for envelope, content in out.values():
                other.send(envelope["sender"], [r["address"] for r in envelope["recipients"]], content)
            wait_until(lambda: len(self.hop.messages) == 3)
        for n, text in enumerate((b"FIRST\r\n.dot\r\n", b"SECOND\r\n.dot\r\n", b"THIRD\r\n.dot\r\n")):
            [delivered] = self.hop.messages_for(f"r{n}@dest.test")
            self.assertTrue(delivered.content.endswith(text))


class DamagedHeader(Stopped):
    """The service runs with what can be read, whatever became of a segment's header."""

    def resting(self):
        """Three messages that rest in the index, then a stop: (ids, the segment's file, offset of the first record)."""
        ids = [self.hikyaku.send(f"s{n}@origin.test", f"r{n}@dest.test", message(f"m{n}", [f"TEXT{n}"])) for n in range(3)]
        index = self.hikyaku.queue / "index" / "data.mdb"
        wait_until(lambda: all(b"s%d@origin.test" % n in index.read_bytes() for n in range(3)))
        self.hikyaku.stop()
        path, _ = self.segment_of(b"TEXT0")
        return ids, path

    def go_on(self, code=OK):
        self.hop.answers.clear()
        self.hikyaku.start()
        self.assertEqual(self.hikyaku.run("flush").code, code)

    def delivered(self):
        return sorted(r for m in self.hop.messages for r in m.recipients)

    def test_one_changed_bit_is_named_and_everything_is_delivered(self):
        ids, path = self.resting()
        with open(path, "r+b") as file:
            file.seek(24)
            byte = file.read(1)[0]
            file.seek(24)
            file.write(bytes([byte ^ 8]))
        code, found = self.verify()
        [damaged] = [file for file in found["log"] if file["damage"]]
        self.assertEqual((code, damaged["file"], damaged["damage"]),
                         (DATA, f"log/{path.name}", [{"offset": 24, "length": 1}]))
        self.go_on()
        wait_until(lambda: len(self.hop.messages) == 3)
        self.hikyaku.wait_for_empty_queue()
        self.assertEqual(len(self.hikyaku.log_lines(f"log/{path.name}: 1 bytes at offset 24 are damaged")), 1)

    def test_a_lost_header_is_named_and_everything_is_delivered(self):
        ids, path = self.resting()
        self.change(path, 0, SEGMENT_HEADER)
        self.go_on()
        wait_until(lambda: len(self.hop.messages) == 3)
        self.hikyaku.wait_for_empty_queue()
        self.assertEqual(len(self.hikyaku.log_lines(f"log/{path.name}: 4096 bytes at offset 0 are damaged")), 1)

    def test_a_segment_that_cannot_be_told_is_set_aside_and_what_is_known_of_it_is_delivered(self):
        ids, path = self.resting()
        self.change(path, 0, SEGMENT_HEADER + 40)
        self.go_on(DATA)  # of the first message nothing is left but that it was there
        wait_until(lambda: self.delivered() == ["r1@dest.test", "r2@dest.test"])
        aside = path.with_name("damaged-" + path.name)
        [line] = self.hikyaku.log_lines(f"log/{aside.name}: set aside")
        self.assertIn("hikyaku queue salvage", line)
        self.assertIn(f"log/{path.name}: ", self.hikyaku.log_lines("bytes at offset 0 are damaged")[0])
        self.hikyaku.wait_for_log(f"message {ids[0]} in segment .* cannot be read")
        fresh = self.hikyaku.send("new@origin.test", "new@dest.test", message("new"))
        wait_until(lambda: "new@dest.test" in self.delivered())
        self.assertGreater(fresh, ids[-1])
        for path in (aside.parent).glob("[0-9]*"):
            self.assertGreater(path.name, aside.name.removeprefix("damaged-"))
        # A restart says nothing new of it; verify does until it is removed.
        self.hikyaku.stop()
        code, found = self.verify()
        self.assertEqual((code, [file["file"] for file in found["log"] if file["damage"]]), (DATA, [f"log/{aside.name}"]))
        self.hikyaku.start()
        self.assertEqual(len(self.hikyaku.log_lines("set aside")), 1)

    def test_what_was_set_aside_unread_can_be_salvaged(self):
        ids, path = self.resting()
        self.change(path, 0, SEGMENT_HEADER + 40)
        code, found = self.verify()
        self.assertEqual((code, found["waiting"], found["missing"]), (DATA, 2, [ids[0]]))
        self.hikyaku.start()
        self.hikyaku.stop()
        self.assertEqual(self.hikyaku.run("queue", "salvage", self.target).code, DATA)
        self.assertEqual(sorted(self.salvaged()), ids[1:])


if __name__ == "__main__":
    main()
