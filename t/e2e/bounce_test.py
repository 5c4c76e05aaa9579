"""Mail that can never be delivered: the report that its sender gets (RFC 3461, RFC 3464)."""

import email
import email.policy
import time
import unittest

from harness import Instance, main, message, wait_until
from next_hop import NextHop

UNKNOWN = "550 5.1.1 No such user here"


def report_for(hop, sender):
    """The report that reached `sender`, parsed."""
    [found] = wait_until(lambda: hop.messages_for(sender), 10, f"a report for {sender}")
    return found, email.message_from_bytes(found.content, policy=email.policy.default)


class Bounce(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        answers = {("rcpt", "bad@dest.test"): UNKNOWN, ("rcpt", "worse@dest.test"): UNKNOWN}
        cls.hop = cls.enterClassContext(NextHop(answers))
        cls.hikyaku = cls.enterClassContext(Instance(cls.hop))

    def test_a_permanent_refusal_is_reported_to_the_sender(self):
        queued = self.hikyaku.send("ann@origin.test", "bad@dest.test", message("lost", ["Secret body."]))
        envelope, report = report_for(self.hop, "ann@origin.test")
        self.assertEqual(envelope.sender, "")  # never a report about a report
        self.assertEqual(envelope.recipients, ["ann@origin.test"])
        self.assertEqual(report.defects, [])
        for header in ("From", "To", "Date", "Message-ID", "Subject", "MIME-Version"):
            self.assertTrue(report[header], header)
        self.assertIn("ann@origin.test", report["To"])
        self.assertRegex(report["Auto-Submitted"], "auto-(replied|generated)")

        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertEqual(report.get_param("report-type"), "delivery-status")
        text, status, original = report.iter_parts()
        self.assertEqual(text.get_content_type(), "text/plain")
        self.assertIn("bad@dest.test", text.get_content())
        self.assertIn("No such user here", text.get_content())

        self.assertEqual(status.get_content_type(), "message/delivery-status")
        about_message, about_recipient = status.get_payload()
        self.assertEqual(about_message["Reporting-MTA"], "dns; relay.test")
        self.assertTrue(about_message["Arrival-Date"])
        self.assertEqual(about_recipient["Final-Recipient"].replace(" ", ""), "rfc822;bad@dest.test")
        self.assertEqual(about_recipient["Action"], "failed")
        self.assertEqual(about_recipient["Status"], "5.1.1")
        self.assertEqual(about_recipient["Diagnostic-Code"], "smtp; " + UNKNOWN)
        self.assertRegex(about_recipient["Remote-MTA"], r"^dns; ?\S+")

        self.assertIn(original.get_content_type(), ("message/rfc822", "text/rfc822-headers"))
        self.assertIn(b"Subject: lost", envelope.content)
        [line] = self.hikyaku.wait_for_log(f"{queued}: to=<bad@dest.test>")
        self.assertRegex(line, r"dsn=5\.1\.1, status=bounced \(.*550 5\.1\.1 No such user here.*\)$")
        self.hikyaku.wait_for_empty_queue()

    def test_one_report_names_every_recipient_that_failed_and_no_other(self):
        self.hikyaku.send("eve@origin.test", ["good@dest.test", "bad@dest.test", "worse@dest.test"], message("mixed"))
        _, report = report_for(self.hop, "eve@origin.test")
        status = list(report.iter_parts())[1]
        recipients = [part["Final-Recipient"].split(";")[1].strip() for part in status.get_payload()[1:]]
        self.assertEqual(sorted(recipients), ["bad@dest.test", "worse@dest.test"])
        self.hikyaku.wait_for_empty_queue()
        self.assertEqual(len(self.hop.messages_for("eve@origin.test")), 1)
        self.assertEqual(len(self.hop.messages_for("good@dest.test")), 1)

    def test_mail_from_the_null_sender_is_never_reported(self):
        before = len(self.hop.messages)
        queued = self.hikyaku.send("", "bad@dest.test", message("report"))
        self.hikyaku.wait_for_log(f"{queued}: to=<bad@dest.test>.*status=bounced")
        self.hikyaku.wait_for_log(f"{queued}: removed")
        self.hikyaku.wait_for_empty_queue()
        self.assertEqual([m.recipients for m in self.hop.messages[before:] if m.sender == ""], [])

    def test_a_refusal_of_the_content_is_reported_too(self):
        with NextHop({"dot": lambda m: "554 5.6.0 Content refused" if m.sender else "250 2.0.0 Ok"}) as hop:
            with Instance(hop) as hikyaku:
                hikyaku.send("ann@origin.test", ["bob@dest.test", "carl@dest.test"], message("refused"))
                _, report = report_for(hop, "ann@origin.test")
                about = list(report.iter_parts())[1].get_payload()[1:]
                self.assertEqual([part["Status"] for part in about], ["5.6.0", "5.6.0"])

    def test_a_report_that_cannot_be_delivered_ends_there(self):
        answers = {("rcpt", "bad@dest.test"): UNKNOWN, ("rcpt", "ann@origin.test"): UNKNOWN}
        with NextHop(answers) as hop, Instance(hop) as hikyaku:
            hikyaku.send("ann@origin.test", "bad@dest.test", message("double"))
            wait_until(lambda: hop.rcpt_count("ann@origin.test"), 10)
            hikyaku.wait_for_empty_queue()
            time.sleep(0.3)  # nothing more may come
            self.assertEqual(hop.rcpt_count("ann@origin.test"), 1)
            self.assertEqual(hop.messages, [])

    def test_the_simple_format_is_plain_text(self):
        """Without multipart structure (row 52)."""
        settings = {"bounce_format": "simple"}
        with NextHop({("rcpt", "bad@dest.test"): UNKNOWN}) as hop, Instance(hop, settings) as hikyaku:
            hikyaku.send("ann@origin.test", "bad@dest.test", message("lost"))
            _, report = report_for(hop, "ann@origin.test")
            self.assertEqual(report.get_content_type(), "text/plain")
            self.assertIn("No such user here", report.get_content())


if __name__ == "__main__":
    main()
