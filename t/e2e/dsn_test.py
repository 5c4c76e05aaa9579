"""What senders ask to be told (DSN, RFC 3461): passed on to a next hop that knows it, done here for one that does not."""

import email
import email.policy
import unittest

from harness import Instance, main, message, wait_until
from next_hop import USUAL, NextHop

UNKNOWN = "550 5.1.1 No such user here"


class Dsn(unittest.TestCase):
    """One transaction for four recipients, each with its own wishes."""

    WISHES = {
        "plain@dest.test": "",
        "tell@dest.test": " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;First+2BTell@origin.test",
        "never@dest.test": " NOTIFY=NEVER",
        "bad@dest.test": " NOTIFY=DELAY,FAILURE",
        "quiet@dest.test": " NOTIFY=NEVER",  # refused as well
    }

    def run_through(self, knows_dsn, sender="ann@origin.test"):
        """Returns the next hop's commands, the queue ID, and the reports that came back, parsed."""
        answers = {("rcpt", "bad@dest.test"): UNKNOWN, ("rcpt", "quiet@dest.test"): UNKNOWN}
        if knows_dsn:
            answers["ehlo"] = USUAL["ehlo"].replace("\r\n250 SIZE", "\r\n250-DSN\r\n250 SIZE")
        with NextHop(answers) as hop, Instance(hop) as hikyaku:
            with hikyaku.client() as client:
                client.hello()
                self.assertIn("DSN", client.keywords)
                client.command(f"MAIL FROM:<{sender}> RET=HDRS ENVID=QQ+2B314", 250)
                for recipient, wish in self.WISHES.items():
                    client.command(f"RCPT TO:<{recipient}>{wish}", 250)
                client.command("DATA", 354)
                client.send(message("wishes", ["Secret body."]) + b".\r\n")
                queued = client.expect(250).text.split()[-1]
                client.quit()
            hikyaku.wait_for_log(f"{queued}: removed")
            hikyaku.wait_for_empty_queue()
            reports = hop.messages_for(sender) if sender else [taken for taken in hop.messages if taken.sender == ""][1:]
            log = hikyaku.log()
            return ([line for _, line in hop.commands], queued, log,
                    [email.message_from_bytes(taken.content, policy=email.policy.default) for taken in reports])

    def about(self, report):
        """The fields of each recipient, by its address."""
        status = list(report.iter_parts())[1]
        self.assertEqual(status.get_payload()[0]["Original-Envelope-Id"], "QQ+314")
        return {part["Final-Recipient"].split("; ")[1]: part for part in status.get_payload()[1:]}

    def test_a_next_hop_that_knows_it_is_told_everything(self):
        commands, _, _, reports = self.run_through(knows_dsn=True)
        mail = [line for line in commands if line.startswith("MAIL FROM:<ann@origin.test>")]
        self.assertRegex(mail[0], " RET=HDRS ENVID=QQ\\+2B314$")
        for recipient, wish in self.WISHES.items():
            self.assertIn(f"RCPT TO:<{recipient}>{wish}", [line.replace("FAILURE,DELAY", "DELAY,FAILURE") for line in commands])
        # Its own refusals are reported, as they were asked for; successes are the next hop's to tell.
        [report] = reports
        about = self.about(report)
        self.assertEqual(list(about), ["bad@dest.test"])
        self.assertEqual(about["bad@dest.test"]["Action"], "failed")
        # Nobody is to be told of a report.
        self.assertIn("RCPT TO:<ann@origin.test> NOTIFY=NEVER", commands)

    def test_for_a_next_hop_that_does_not_the_relay_tells_of_success(self):
        commands, queued, log, reports = self.run_through(knows_dsn=False)
        for line in commands:
            self.assertNotRegex(line, "NOTIFY|ORCPT|RET=|ENVID")
        [report] = reports
        about = self.about(report)
        self.assertEqual(sorted(about), ["bad@dest.test", "tell@dest.test"])
        self.assertEqual(about["bad@dest.test"]["Action"], "failed")
        tell = about["tell@dest.test"]
        self.assertEqual(tell["Action"], "relayed")
        self.assertEqual(tell["Status"], "2.0.0")
        self.assertEqual(tell["Original-Recipient"], "rfc822; First+Tell@origin.test")
        self.assertIn("status=sent", log)
        self.assertIn(f"{queued}: sender non-delivery notification: ", log)
        self.assertNotIn("Secret body.", report.as_string())  # RET=HDRS

    def test_success_alone_is_a_report_of_its_own_kind(self):
        with NextHop() as hop, Instance(hop) as hikyaku:
            with hikyaku.client() as client:
                client.hello()
                client.command("MAIL FROM:<ann@origin.test>", 250)
                client.command("RCPT TO:<tell@dest.test> NOTIFY=SUCCESS", 250)
                client.command("DATA", 354)
                client.send(message("told", ["Secret body."]) + b".\r\n")
                queued = client.expect(250).text.split()[-1]
            [taken] = wait_until(lambda: hop.messages_for("ann@origin.test"))
            report = email.message_from_bytes(taken.content, policy=email.policy.default)
            self.assertEqual(report["Subject"], "Your message was handed on")
            self.assertNotIn("Secret body.", report.as_string())
            hikyaku.wait_for_log(f"{queued}: sender delivery status notification: ")
            self.assertEqual(len(hop.messages_for("tell@dest.test")), 1)

    def test_the_null_sender_is_told_nothing(self):
        _, _, _, reports = self.run_through(knows_dsn=False, sender="")
        self.assertEqual(reports, [])

    def test_success_is_told_after_a_restart_too(self):
        """Whatever dies between the next hop's reply and the report."""
        with NextHop() as hop, Instance(hop) as hikyaku:
            hikyaku.kill("bounce")
            with hikyaku.client() as client:
                client.hello()
                client.command("MAIL FROM:<ann@origin.test>", 250)
                client.command("RCPT TO:<tell@dest.test> NOTIFY=SUCCESS", 250)
                client.command("DATA", 354)
                client.send(message("told") + b".\r\n")
                client.expect(250)
            wait_until(lambda: hop.messages_for("tell@dest.test"))
            hikyaku.kill("qmgr")
            wait_until(lambda: hop.messages_for("ann@origin.test"), seconds=20)
            hikyaku.wait_for_empty_queue()
            self.assertEqual(len(hop.messages_for("ann@origin.test")), 1)


if __name__ == "__main__":
    main()
