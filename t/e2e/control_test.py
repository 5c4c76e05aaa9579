"""The operator's commands: start, stop, status, check, reload, the queue's commands, and what they say on errors."""

import json
import os
import socket
import unittest

from harness import CONFIG, DATA, OK, SBIN, UNAVAILABLE, USAGE, Instance, main, message, wait_until
from next_hop import NextHop

LATER = "450 4.2.0 Mailbox is busy"
SLOWLY = {"retry_method": "linear", "retry_a": "1000s", "retry_period": "86400s"}


class StartAndStop(unittest.TestCase):
    def test_start_returns_when_the_server_answers_and_stop_when_it_is_gone(self):
        with Instance() as hikyaku:
            with hikyaku.client() as client:
                client.hello()
                client.quit()
            hikyaku.stop()
            with self.assertRaises(OSError):
                socket.create_connection(hikyaku.address, 1).close()
            self.assertEqual(hikyaku.run("stop").code, UNAVAILABLE)

    def test_a_second_start_is_refused(self):
        with Instance() as hikyaku:
            pids = hikyaku.pids()
            second = hikyaku.run("start")
            self.assertEqual(second.code, UNAVAILABLE, second)
            self.assertIn("already running", second.text)
            self.assertEqual(hikyaku.pids(), pids)

    def test_status_names_every_service(self):
        with Instance() as hikyaku:
            self.assertEqual(hikyaku.run("status").code, OK)
            status = hikyaku.status()
            self.assertIs(status["running"], True)
            for service in status["services"]:
                self.assertEqual((service["state"], service["restarts"]), ("running", 0), service)
                self.assertTrue(service["pids"], service)
            self.assertIn("master", [service["name"] for service in status["services"]])

    def test_status_of_a_stopped_instance_says_that_nothing_runs(self):
        with Instance(started=False) as hikyaku:
            stopped = hikyaku.run("status", "--json")
            self.assertEqual(stopped.code, UNAVAILABLE, stopped)
            self.assertIs(json.loads(stopped.stdout)["running"], False)

    def test_two_instances_run_side_by_side(self):
        with NextHop() as hop, Instance(hop), Instance(hop) as second:
            second.send("ann@origin.test", "bob@dest.test", message("second"))
            wait_until(lambda: hop.messages_for("bob@dest.test"))

    def test_the_command_works_through_a_symbolic_link(self):
        with Instance(started=False) as hikyaku:
            link = hikyaku.folder / "linked"
            link.symlink_to(SBIN / "hikyaku")
            hikyaku.must_run("start", program=link)

    def test_an_unknown_command_is_a_usage_error(self):
        with Instance(started=False) as hikyaku:
            self.assertEqual(hikyaku.run("frobnicate").code, USAGE)
            self.assertEqual(hikyaku.run("--help").code, OK)


class Mistakes(unittest.TestCase):
    """What is wrong is said, with its place, and nothing starts."""

    def assert_refused(self, hikyaku, code, *words):
        outcome = hikyaku.run("start")
        self.assertEqual(outcome.code, code, outcome)
        for word in words:
            self.assertIn(word, outcome.text)
        self.assertEqual(hikyaku.run("status").code, UNAVAILABLE)

    def test_a_misspelt_key_is_refused_with_its_place_and_the_nearest_name(self):
        with Instance(settings={"relay_sesion_limit": "5"}, started=False) as hikyaku:
            lines = (hikyaku.config / "main.cf").read_text().splitlines()
            number = 1 + next(n for n, line in enumerate(lines) if line.startswith("relay_sesion_limit"))
            for command in ("check", "start"):
                outcome = hikyaku.run(command)
                self.assertEqual(outcome.code, CONFIG, outcome)
                self.assertRegex(outcome.text, rf"main\.cf:{number}: .*relay_sesion_limit.*relay_session_limit")
            self.assertEqual(hikyaku.run("status").code, UNAVAILABLE)

    def test_every_mistake_is_reported_at_once(self):
        settings = {"retry_a": "soon", "relay_message_size_limit": "-1", "retry_method": "cubic"}
        with Instance(settings=settings, started=False) as hikyaku:
            outcome = hikyaku.run("check")
            self.assertEqual(outcome.code, CONFIG, outcome)
            for key in settings:
                self.assertRegex(outcome.text, rf"main\.cf:\d+: .*{key}")

    def test_values_outside_their_ranges_are_refused(self):
        """Rows 3, 4, 25, 26, 42, 46, 47."""
        for settings in (
            {"relay_session_limit": "0"},
            {"relay_session_limit": "101", "relay_message_size_limit": "1k"},
            {"relay_receive_interval": "9ms"},
            {"relay_receive_interval": "10001ms"},
            {"relay_session_limit": "39", "relay_message_size_limit": "20480k"},
            {"connection_pool_size": "501"},
            {"connection_pool_timeout": "601s"},
            {"retry_a": "240s", "retry_b": "-240s"},
            {"retry_method": "linear", "retry_a": "86400s"},
        ):
            settings = {"extended_limits": "no", "relay_receive_interval": "360ms", **settings}
            with self.subTest(**settings), Instance(settings=settings, started=False) as hikyaku:
                outcome = hikyaku.run("check")
                self.assertEqual(outcome.code, CONFIG, outcome)
                self.assertRegex(outcome.text, r"main\.cf:\d+: ")

    def test_the_largest_allowed_values_are_accepted(self):
        settings = {"extended_limits": "no", "relay_receive_interval": "10ms", "relay_session_limit": "38",
                    "relay_message_size_limit": "20480k", "connection_pool_size": "500"}
        with Instance(settings=settings, started=False) as hikyaku:
            hikyaku.must_run("check")

    def test_values_that_other_modules_read_are_checked_with_the_rest(self):
        """A relayhost or a network that is none passes neither check nor reload."""
        for key, value in {"relayhost": "[x", "mynetworks": "127.0.0.0/33"}.items():
            with self.subTest(key=key), NextHop() as hop, Instance(hop) as hikyaku:
                hikyaku.configure(**{key: value})
                for command in ("check", "reload"):
                    outcome = hikyaku.run(command)
                    self.assertEqual(outcome.code, CONFIG, outcome)
                    self.assertRegex(outcome.text, rf"main\.cf:\d+: .*{key}")

    def test_a_service_without_which_mail_goes_nowhere_must_be_there(self):
        for program in ("cleanup", "qmgr", "smtp-client", "bounce"):
            with self.subTest(program=program), Instance(started=False) as hikyaku:
                lines = (hikyaku.config / "master.cf").read_text().splitlines()
                hikyaku.write_config("master.cf", "\n".join(x for x in lines if not x.endswith(program)) + "\n")
                outcome = hikyaku.run("check")
                self.assertEqual(outcome.code, CONFIG, outcome)
                self.assertIn(f"there is no service that runs {program}", outcome.text)

    @unittest.skipUnless(os.geteuid() == 0, "only root makes a folder that is not the daemons' own")
    def test_a_queue_directory_that_root_made_will_do(self):
        with NextHop() as hop, Instance(hop, started=False) as hikyaku:
            hikyaku.queue.rmdir()
            hikyaku.start()
            hikyaku.send("ann@origin.test", ["bob@dest.test"], message("fresh"))
            wait_until(lambda: hop.messages_for("bob@dest.test"))

    def test_root_as_the_owner_of_mail_is_refused(self):
        with Instance(settings={"mail_owner": "root"}, started=False) as hikyaku:
            self.assert_refused(hikyaku, CONFIG, "mail_owner", "root")

    def test_a_port_in_use_is_named(self):
        with Instance(started=False) as hikyaku, socket.socket() as taken:
            taken.bind(hikyaku.address)
            taken.listen()
            self.assert_refused(hikyaku, UNAVAILABLE, f"{hikyaku.address[0]}:{hikyaku.address[1]}")

    def test_a_queue_directory_that_cannot_be_used_is_named(self):
        with Instance(started=False) as hikyaku:
            place = hikyaku.folder / "plain-file"
            place.write_text("")
            hikyaku.configure(queue_directory=place)
            outcome = hikyaku.run("start")
            self.assertNotEqual(outcome.code, OK, outcome)
            self.assertIn(str(place), outcome.text)
            self.assertEqual(hikyaku.run("status").code, UNAVAILABLE)

    def test_missing_configuration_is_named(self):
        with Instance(started=False) as hikyaku:
            (hikyaku.config / "main.cf").unlink()
            outcome = hikyaku.run("start")
            self.assertEqual(outcome.code, CONFIG, outcome)
            self.assertIn(str(hikyaku.config / "main.cf"), outcome.text)

    def test_a_mistake_in_master_cf_is_refused_with_its_place(self):
        with Instance(started=False) as hikyaku:
            good = (hikyaku.config / "master.cf").read_text()
            hikyaku.write_config("master.cf", good.rstrip("\n") + "\nbroken inet n\n")
            number = len(good.rstrip("\n").splitlines()) + 1
            outcome = hikyaku.run("check")
            self.assertEqual(outcome.code, CONFIG, outcome)
            self.assertIn(f"master.cf:{number}:", outcome.text)


class Reload(unittest.TestCase):
    def test_a_bad_file_leaves_the_running_configuration_in_place(self):
        with NextHop() as hop, Instance(hop) as hikyaku:
            hikyaku.configure(retry_a="soon")
            outcome = hikyaku.run("reload")
            self.assertEqual(outcome.code, CONFIG, outcome)
            self.assertRegex(outcome.text, r"main\.cf:\d+: .*retry_a")
            hikyaku.send("ann@origin.test", "bob@dest.test", message("on"))
            wait_until(lambda: hop.messages_for("bob@dest.test"))

    def test_a_changed_limit_holds_for_new_sessions_and_open_ones_go_on(self):
        """Applied as a whole, without losing a session (row 29)."""
        with NextHop() as hop, Instance(hop) as hikyaku, hikyaku.client() as old:
            old.hello()
            hikyaku.configure(relay_message_size_limit="100k")
            hikyaku.reload()
            wait_until(lambda: self.announced_size(hikyaku) == "SIZE 102400", 5)
            old.transaction("ann@origin.test", "bob@dest.test", message("old"))
            wait_until(lambda: hop.messages_for("bob@dest.test"))
            old.quit()

    @staticmethod
    def announced_size(hikyaku):
        with hikyaku.client() as client:
            client.hello()
            return next(word for word in client.keywords if word.startswith("SIZE"))


class Queue(unittest.TestCase):
    """The queue's commands, on mail that the next hop does not want yet."""

    def setUp(self):
        self.hop = self.enterContext(NextHop({"rcpt": LATER}))
        self.hikyaku = self.enterContext(Instance(self.hop, SLOWLY))

    def deferred(self, recipient="bob@dest.test", content=None):
        queued = self.hikyaku.send("ann@origin.test", recipient, content or message("waiting"))
        self.hikyaku.wait_for_log(f"{queued}: to=.*status=deferred")
        wait_until(lambda: [e for e in self.hikyaku.queue_list()
                            if e["queue_id"] == queued and e["queue_name"] == "deferred"], 5)
        return queued

    def test_list_has_the_layout_that_people_know(self):
        queued = self.deferred()
        lines = self.hikyaku.must_run("queue", "list").splitlines()
        self.assertRegex(lines[0], r"^-Queue ID-.*-Sender/Recipient-")
        self.assertRegex(lines[1], rf"^{queued}\s+\d+ \w{{3}} \w{{3}} [ \d]\d \d\d:\d\d:\d\d\s+ann@origin\.test$")
        self.assertRegex(lines[2], r"^\s*\(.*450 4\.2\.0 Mailbox is busy.*\)$")
        self.assertRegex(lines[3], r"^\s+bob@dest\.test$")
        self.assertRegex(lines[-1], r"^-- \d+ Kbytes in 1 Requests?\.$")

    def test_mailq_lists_the_queue_that_mail_config_names(self):
        queued = self.deferred()
        listed = self.hikyaku.run(program="mailq")
        self.assertEqual(listed.code, OK, listed)
        self.assertEqual(listed.stdout, self.hikyaku.must_run("queue", "list"))
        self.assertIn(queued, listed.stdout)

    def test_filters_choose_by_sender_recipient_and_domain(self):
        one, other = self.deferred("one@dest.test"), self.deferred("other@else.test")
        for filters, wanted in ((["--recipient", "one@dest.test"], [one]), (["--domain", "else.test"], [other]),
                                (["--sender", "ann@origin.test"], [one, other]), (["--sender", "eve@origin.test"], [])):
            self.assertEqual(sorted(e["queue_id"] for e in self.hikyaku.queue_list(*filters)), sorted(wanted), filters)

    def test_show_prints_the_envelope_and_the_content(self):
        content = message("shown", ["Line one.", ".dot"])
        queued = self.deferred(content=content)
        shown = self.hikyaku.must_run("queue", "show", queued)
        for text in ("ann@origin.test", "bob@dest.test", "Subject: shown", "Line one.", "\n.dot"):
            self.assertIn(text, shown.replace("\r\n", "\n"))
        self.assertEqual(self.hikyaku.run("queue", "show", "NOSUCHQUEUEID").code, DATA)

    def test_delete_removes_the_message_for_good(self):
        queued, kept = self.deferred(), self.deferred()
        self.hikyaku.must_run("queue", "delete", queued)
        self.assertEqual([e["queue_id"] for e in self.hikyaku.queue_list()], [kept])
        self.hikyaku.stop()
        self.hikyaku.start()
        self.assertEqual([e["queue_id"] for e in self.hikyaku.queue_list()], [kept])
        self.assertEqual(self.hikyaku.run("queue", "delete", queued).code, DATA)

    def test_delete_reads_ids_from_standard_input_and_knows_all(self):
        ids = [self.deferred() for _ in range(3)]
        self.hikyaku.must_run("queue", "delete", "-", stdin=f"{ids[0]}\n{ids[1]}\n")
        self.assertEqual([e["queue_id"] for e in self.hikyaku.queue_list()], [ids[2]])
        self.hikyaku.must_run("queue", "delete", "ALL")
        self.assertIn("Mail queue is empty", self.hikyaku.must_run("queue", "list"))

    def test_retry_makes_an_attempt_now_and_counts_it(self):
        queued, other = self.deferred("bob@dest.test"), self.deferred("carl@dest.test")
        self.hikyaku.must_run("queue", "retry", queued)
        self.hikyaku.wait_for_log(f"{queued}: to=.*status=deferred", count=2)
        attempts = {e["queue_id"]: e["attempts"] for e in self.hikyaku.queue_list()}
        self.assertEqual(attempts, {queued: 2, other: 1})
        self.hop.answers.clear()
        self.hikyaku.must_run("queue", "retry", queued)
        wait_until(lambda: self.hop.messages_for("bob@dest.test"))
        self.assertEqual(self.hop.messages_for("carl@dest.test"), [])
        self.assertEqual(self.hikyaku.run("queue", "retry", "NOSUCHQUEUEID").code, DATA)

    def test_flush_attempts_everything_now(self):
        for n in range(5):
            self.deferred(f"r{n}@dest.test")
        self.hop.answers.clear()
        self.hikyaku.must_run("flush")
        wait_until(lambda: len(self.hop.messages) == 5)
        self.hikyaku.wait_for_empty_queue()

    def test_the_queue_commands_say_so_when_nothing_runs(self):
        self.hikyaku.stop()
        stopped = self.hikyaku.run("queue", "list")
        self.assertEqual(stopped.code, UNAVAILABLE, stopped)
        self.assertIn("not running", stopped.text)


if __name__ == "__main__":
    main()
