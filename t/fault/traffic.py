"""What the fault tests share: clients and a next hop that account for every message, and the daemons as processes.

Every message carries a token that no other message has, in its sender's and its recipients' addresses, and a digest of
its body. The book remembers what each client was told and what arrived, so that the sum can be drawn at any time.
"""

import hashlib
import os
import random
import re
import signal
import socket
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from harness import Instance, alive, wait_until  # noqa: E402
import next_hop  # noqa: E402
from next_hop import DROP, USUAL, NextHop  # noqa: E402
from smtp_client import Client  # noqa: E402

QUICKLY = {"retry_method": "linear", "retry_a": "1s", "retry_period": "3600s"}


class Arrival:
    """One acceptance of one recipient by the next hop."""

    def __init__(self, when, opened, dropped):
        self.when, self.opened, self.dropped = when, opened, dropped  # `opened`: when its connection began
        self.replied = None  # when the reply had left; None: not yet, or never


class Book:
    """What was promised and what became of it. The unit is one recipient of one message."""

    def __init__(self):
        self.lock = threading.Lock()
        self.recipients = {}  # token: its recipients' addresses
        self.accepted = {}  # token: when its 250 was read
        self.refused = {}  # token: the 4xx reply
        self.unanswered = set()  # tokens whose connection broke before the reply
        self.rejected = {}  # token: the 5xx reply, which nothing here deserves
        self.arrivals = {}  # recipient: [Arrival]
        self.returned = {}  # recipient: the Message-IDs of the reports that arrived
        self.refusals = {}  # recipient: when the next hop first said 5xx
        self.damaged = []  # what arrived otherwise than it was sent
        self.strangers = []  # what arrived and nobody sent

    # --- told by clients

    def sent(self, token, recipients):
        with self.lock:
            self.recipients[token] = recipients

    def told(self, token, code, text):
        with self.lock:
            if code == 250:
                self.accepted[token] = time.monotonic()
            elif code is None:
                self.unanswered.add(token)
            elif 400 <= code < 500:
                self.refused[token] = f"{code} {text}"
            else:
                self.rejected[token] = f"{code} {text}"

    # --- told by the next hop

    def arrived(self, message, dropped):
        """`dropped`: the connection ends instead of the reply, so the message will rightly come again."""
        now = time.monotonic()
        message.arrivals = []
        with self.lock:
            if message.sender == "":
                report = re.search(rb"(?m)^Message-ID: (\S+)", message.content)[1]
                for recipient in re.findall(rb"(?m)^Final-Recipient: rfc822; ?(\S+)", message.content):
                    self.returned.setdefault(recipient.decode(), set()).add(report)
                return
            if not intact(message.content):
                self.damaged.append(message)
            for recipient in message.recipients:
                message.arrivals.append(Arrival(now, message.session[1], dropped))
                self.arrivals.setdefault(recipient, []).append(message.arrivals[-1])
                if token_of(recipient) not in self.recipients:
                    self.strangers.append(recipient)

    def refused_by_next_hop(self, recipient):
        with self.lock:
            self.refusals.setdefault(recipient, time.monotonic())

    # --- the sum

    def missing(self):
        """Recipients of acknowledged messages that neither arrived nor were returned."""
        with self.lock:
            return [recipient for token in self.accepted for recipient in self.recipients[token]
                    if recipient not in self.arrivals and recipient not in self.returned]

    def close(self):
        """Takes out what is settled, so that a long run stays small; returns the parts that a round reports."""
        with self.lock:
            closed = Book()
            for name, value in vars(self).items():
                if name != "lock":
                    setattr(closed, name, value)
                    setattr(self, name, type(value)())
            return closed


def token_of(address):
    return address.split("@")[0].split(".", 1)[1]


def make_message(token, recipients, size):
    """The body is a function of the token, and the header tells its digest."""
    chance = random.Random(token)
    lines, length = [], 0
    while length < size:
        line = ("." if chance.random() < 0.02 else "") + "%x" % chance.getrandbits(4 * chance.randint(1, 70))
        lines.append(line)
        length += len(line) + 2
    body = "".join(line + "\r\n" for line in lines).encode()
    head = (f"From: <s.{token}@origin.test>\r\nTo: <{recipients[0]}>\r\nSubject: {token}\r\n"
            f"Message-ID: <{token}@origin.test>\r\nDate: Tue, 8 Mar 2016 16:01:54 +0900\r\n"
            f"X-Digest: {hashlib.sha1(body).hexdigest()}\r\n\r\n")
    return head.encode() + body


def intact(content):
    header, _, body = content.partition(b"\r\n\r\n")
    digest = re.search(rb"(?m)^X-Digest: (\w+)\r?$", header)
    return digest is not None and digest.group(1).decode() == hashlib.sha1(body).hexdigest()


# Some are so big that their bodies go into files of their own.
USUAL_SIZES = [200, 2000, 2000, 20000] * 10 + [400_000]


class Sender(threading.Thread):
    """One client: message after message, each token only once, a new connection whenever one breaks."""

    def __init__(self, address, book, name, chance, size=lambda chance: chance.choice(USUAL_SIZES)):
        super().__init__(daemon=True)
        self.address, self.book, self.sender, self.chance, self.size = address, book, name, chance, size
        self.stopping = threading.Event()
        self.number = 0

    def run(self):
        while not self.stopping.is_set():
            try:
                with Client(self.address, timeout=20) as client:
                    client.hello()
                    for _ in range(self.chance.randint(1, 200)):
                        if self.stopping.is_set():
                            return
                        self.send_one(client)
            except (OSError, AssertionError):
                time.sleep(0.02)  # broken, refused, or not there yet

    def send_one(self, client):
        self.number += 1
        token = f"{self.sender}-{self.number}"
        recipients = [f"r{n}.{token}@dest.test" for n in range(self.chance.choice([1, 1, 1, 3]))]
        content = make_message(token, recipients, self.size(self.chance))
        self.book.sent(token, recipients)
        commands = [f"MAIL FROM:<s.{token}@origin.test>", *(f"RCPT TO:<{r}>" for r in recipients), "DATA"]
        reply = None
        try:
            client.send("".join(line + "\r\n" for line in commands).encode())
            for _ in commands:
                reply = client.read_reply()
                if reply.code >= 400:
                    raise AssertionError(str(reply))
            reply = None
            client.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
            reply = client.read_reply()
        finally:
            code = reply.code if reply and (reply.code == 250 or reply.code >= 400) else None
            self.book.told(token, code, reply.text if reply else "")

    def finish(self):
        self.stopping.set()
        self.join(60)
        return not self.is_alive()


class Session(next_hop.Session):
    """As careful as real servers, because clients pipeline: it refuses a recipient whose sender it refused, and a
    connection that it drops still carries the replies to what came before."""

    def serve(self):
        try:
            self.answer("connect", "")
            while self.step(self.read_line()):
                pass
        except (OSError, EOFError):
            pass
        try:
            self.connection.sendall(self.replies)
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(2)
            # Closed with bytes unread, TCP would take back replies that are on their way.
            while self.connection.recv(65536):
                pass
        except OSError:
            pass
        finally:
            self.connection.close()

    def answer(self, stage, argument, accepted=lambda: None):
        positive = super().answer(stage, argument, accepted)
        if stage == "dot" and positive:
            self.connection.sendall(self.replies)
            self.replies = b""
            for arrival in argument.arrivals:
                arrival.replied = time.monotonic()
        return positive

    def step(self, raw):
        verb = raw[:4].upper()
        if verb == b"MAIL":
            self.sender, self.recipients = None, []
        if verb == b"RCPT" and self.sender is None:
            self.reply("503 5.5.1 MAIL first")
            return True
        return super().step(raw)


class Hop(NextHop):
    """The next hop. With `trouble` (a share of answers) each stage is refused or the connection dropped at random."""

    def __init__(self, book, chance):
        super().__init__()
        self.book, self.chance, self.trouble = book, chance, 0.0
        for stage in ("connect", "ehlo", "mail", "rcpt", "data"):
            self.answers[stage] = lambda argument, stage=stage: self.usual_trouble(stage, argument)
        self.answers["dot"] = self.final

    def usual_trouble(self, stage, argument):
        usual = USUAL[stage]
        if self.chance.random() >= self.trouble:
            return usual
        kind = self.chance.random()
        if kind < 0.3:
            return DROP
        # A report has nobody to be returned to, so it is never refused for good.
        if stage == "rcpt" and kind < 0.5 and argument.startswith("r"):
            self.book.refused_by_next_hop(argument)
            return "550 5.1.1 No such user"
        return "421 4.3.2 Not now" if stage == "connect" else "451 4.3.0 Not now"

    def final(self, message):
        if self.chance.random() < self.trouble:
            kind = self.chance.random()
            if kind < 0.2:
                return DROP
            if kind < 0.4:
                self.book.arrived(message, dropped=True)
                return DROP
            if kind < 0.5 and message.sender:
                for recipient in message.recipients:
                    self.book.refused_by_next_hop(recipient)
                return "554 5.6.0 Not wanted"
            return "451 4.3.0 Not now"
        self.book.arrived(message, dropped=False)
        return USUAL["dot"]

    def accept(self):
        number = 0
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number += 1
            threading.Thread(target=Session(self, connection, (number, time.monotonic())).serve, daemon=True).start()

    # The lists of the base class would grow for ever.
    def note_command(self, session, line):
        pass

    note_attempt = note_message = lambda self, message: None


class Processes:
    """The daemons of an instance by name, found without asking them."""

    def __init__(self, instance):
        self.instance = instance

    def master(self):
        try:
            pid = int((self.instance.queue / "pid" / "master.pid").read_text())
            return pid if alive(pid) and Path(f"/proc/{pid}/comm").read_text().strip() == "master" else None
        except (OSError, ValueError):
            return None

    def by_name(self):
        """{"cleanup": [pid], …}; without master when it is not there."""
        master = self.master()
        found = {"master": [master]} if master else {}
        try:
            children = Path(f"/proc/{master}/task/{master}/children").read_text().split() if master else []
        except OSError:
            children = []
        for pid in children:
            try:
                found.setdefault(Path(f"/proc/{pid}/comm").read_text().strip(), []).append(int(pid))
            except OSError:
                pass
        return found

    def age(self, name):
        """For how many seconds there has been a process of this name; None: there is none."""
        for pid in self.by_name().get(name, []):
            try:
                stat = Path(f"/proc/{pid}/stat").read_text()
            except OSError:
                continue
            began = int(stat[stat.rindex(")") + 2 :].split()[19]) / os.sysconf("SC_CLK_TCK")
            return time.clock_gettime(time.CLOCK_BOOTTIME) - began
        return None

    def kill(self, names):
        """kill -9 all processes of these names, as nearly at once as it goes; returns the pids."""
        now = self.by_name()
        pids = [pid for name in names for pid in now.get(name, [])]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return pids

    def running(self):
        """Whether master says that every service runs."""
        try:
            services = self.instance.status()["services"]
        except (ValueError, KeyError):
            return False
        return bool(services) and all(service["state"] == "running" and service["pids"] for service in services)


class LogTail:
    """Reads what was added to a log file since the last look."""

    def __init__(self, path):
        self.path, self.offset = path, 0

    def lines(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                data = file.read()
        except OSError:
            return []
        end = data.rfind(b"\n") + 1
        self.offset += end
        return data[:end].decode(errors="replace").splitlines()


def connected(address):
    """Whether somebody listens."""
    try:
        socket.create_connection(address, 1).close()
        return True
    except OSError:
        return False


def crashes(lines):
    """Lines of the log that tell of a daemon's death by itself: any end but by the signal that we send, and sanitizers'
    reports."""
    return [line for line in lines
            if re.search(r"(killed by signal (?!9\b)|exit(ed)? (with )?status|Sanitizer|runtime error: |assertion)", line)]
