"""Mail through programs that are not ours: swaks as the client, Postfix's smtp-source and smtp-sink at both ends."""

import os
import shutil
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import PATIENCE, TREE, Instance, mail_owner, main, message, wait_until
from next_hop import NextHop

POSTFIX = TREE / "build" / "peers" / "postfix"
UNPACKED = (POSTFIX / "usr" / "sbin" / "smtp-sink").exists()
NOT_UNPACKED = "Postfix is not unpacked below build/peers (t/tools/fetch-peers)"


def postfix_command(name):
    """A command line start and an environment for one of the unpacked programs."""
    environment = dict(os.environ, LD_LIBRARY_PATH=str(POSTFIX / "usr" / "lib" / "postfix"))
    return str(POSTFIX / "usr" / "sbin" / name), environment


class Sink:
    """Postfix's smtp-sink as the next hop; it writes every message into a file of its own."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="hikyaku-sink-"))
        self.folder.chmod(0o777)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = probe.getsockname()
        program, environment = postfix_command("smtp-sink")
        command = [program, "-d", "mail."]
        if os.geteuid() == 0:
            command += ["-u", mail_owner()]  # it refuses to serve as root
        command += [f"{self.address[0]}:{self.address[1]}", "100"]
        self.process = subprocess.Popen(command, env=environment, cwd=self.folder)
        wait_until(self.answers, 10, "smtp-sink answers")

    def answers(self):
        assert self.process.poll() is None, "smtp-sink has ended"
        try:
            socket.create_connection(self.address, 1).close()
            return True
        except OSError:
            return False

    def messages(self):
        """What smtp-sink wrote: lines X-… with the envelope, then the content."""
        texts = [path.read_bytes() for path in self.folder.glob("mail.*")]
        return [text for text in texts if b"X-Rcpt-Args" in text and b"\n\n" in text.replace(b"\r\n", b"\n")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


class Peers(unittest.TestCase):
    @unittest.skipUnless(shutil.which("swaks"), "swaks is not installed")
    def test_swaks_sends_a_message(self):
        with NextHop() as hop, Instance(hop) as hikyaku:
            done = subprocess.run(
                ["swaks", "--server", hikyaku.address[0], "--port", str(hikyaku.address[1]), "--pipeline",
                 "--from", "ann@origin.test", "--to", "bob@dest.test,carl@dest.test",
                 "--header", "Subject: from swaks", "--body", "Hello.\\n.dot"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60 * PATIENCE)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            [arrived] = wait_until(lambda: hop.messages_for("carl@dest.test"))
            self.assertEqual(arrived.sender, "ann@origin.test")
            self.assertIn(b"\r\nSubject: from swaks\r\n", arrived.content)
            self.assertIn(b"\r\nHello.\r\n.dot\r\n", arrived.content)

    @unittest.skipUnless(UNPACKED, NOT_UNPACKED)
    def test_smtp_sink_takes_a_message(self):
        with Sink() as sink, Instance(sink) as hikyaku:
            content = message("to the sink", [".dot", "end"])
            hikyaku.send("ann@origin.test", ["bob@dest.test", "carl@dest.test"], content)
            [arrived] = wait_until(sink.messages)
            text = arrived.replace(b"\r\n", b"\n")
            for part in (b"X-Mail-Args: <ann@origin.test>", b"X-Rcpt-Args: <bob@dest.test>",
                         b"X-Rcpt-Args: <carl@dest.test>", b"Subject: to the sink", b"\n.dot\nend\n"):
                self.assertIn(part, text)
            hikyaku.wait_for_empty_queue()

    @unittest.skipUnless(UNPACKED, NOT_UNPACKED)
    def test_smtp_source_sends_many_messages_over_many_sessions(self):
        for reuse in ([], ["-d"]):  # -d: do not disconnect after a message
            with self.subTest(options=reuse), NextHop() as hop, Instance(hop) as hikyaku:
                program, environment = postfix_command("smtp-source")
                done = subprocess.run(
                    [program, *reuse, "-s", "10", "-m", "200", "-l", "4096", "-f", "ann@origin.test",
                     "-t", "bob@dest.test", f"{hikyaku.address[0]}:{hikyaku.address[1]}"],
                    env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60 * PATIENCE)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                wait_until(lambda: len(hop.messages) >= 200, 20)
                hikyaku.wait_for_empty_queue()
                self.assertEqual(len(hop.messages), 200)


if __name__ == "__main__":
    main()
