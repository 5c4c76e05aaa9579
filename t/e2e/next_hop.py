"""A scripted SMTP server for tests: the next hop. It answers by a table and records mail byte for byte."""

import re
import socket
import threading
import time

# Answers that are no reply: close the connection at once; never answer.
DROP = object()
SILENT = object()

USUAL = {
    "connect": "220 next-hop.test ESMTP",
    "ehlo": "250-next-hop.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 104857600",
    "helo": "250 next-hop.test",
    "mail": "250 2.1.0 Ok",
    "rcpt": "250 2.1.5 Ok",
    "data": "354 End data with <CR><LF>.<CR><LF>",
    "dot": "250 2.0.0 Ok: taken",
    "rset": "250 2.0.0 Ok",
    "noop": "250 2.0.0 Ok",
    "quit": "221 2.0.0 Bye",
}


class Message:
    """One message that was accepted. `content` is without dot-stuffing and without the final dot."""

    def __init__(self, session, sender, mail_line, recipients):
        self.session, self.sender, self.mail_line = session, sender, mail_line
        self.recipients, self.content = list(recipients), b""

    @property
    def header(self):
        return self.content.split(b"\r\n\r\n", 1)[0] + b"\r\n"


class Session:
    """One connection, served by a thread."""

    def __init__(self, hop, connection, number):
        self.hop, self.connection, self.number = hop, connection, number
        self.buffer = b""
        self.replies = b""
        self.sender = None
        self.mail_line = ""
        self.recipients = []

    def serve(self):
        try:
            self.answer("connect", "")
            while self.step(self.read_line()):
                pass
        except (OSError, EOFError):
            pass
        finally:
            self.connection.close()

    def read_line(self):
        while b"\r\n" not in self.buffer:
            # Replies to what was pipelined leave together, as those of a real server do.
            if self.replies:
                self.connection.sendall(self.replies)
                self.replies = b""
            data = self.connection.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def step(self, raw):
        line = raw.decode("utf-8", errors="replace")
        self.hop.note_command(self.number, line)
        verb = line.split(" ")[0].split(":")[0].lower()
        if verb == "mail":
            if self.answer("mail", address_in(line)):
                self.sender, self.mail_line, self.recipients = address_in(line), line, []
        elif verb == "rcpt":
            if self.answer("rcpt", address_in(line)):
                self.recipients.append(address_in(line))
        elif verb == "data":
            self.data()
        elif verb in ("ehlo", "helo", "rset", "noop", "quit"):
            if verb == "rset":
                self.sender, self.recipients = None, []
            self.answer(verb, line[5:])
        else:
            self.reply("502 5.5.1 Command not known")
        if verb == "quit":
            self.connection.sendall(self.replies)
        return verb != "quit"

    def data(self):
        if not self.recipients:
            self.reply("554 5.5.1 No valid recipients")
            return
        if not self.answer("data", ""):
            return
        message = Message(self.number, self.sender, self.mail_line, self.recipients)
        lines = []
        while (line := self.read_line()) != b".":
            lines.append((line[1:] if line.startswith(b".") else line) + b"\r\n")
        message.content = b"".join(lines)
        self.hop.note_attempt(message)
        # Recorded before the reply leaves: a test that sees the reply's effect finds the message.
        self.answer("dot", message, lambda: self.hop.note_message(message))
        self.sender, self.recipients = None, []

    def reply(self, text):
        self.replies += text.encode() + b"\r\n"

    def answer(self, stage, argument, accepted=lambda: None):
        """Answers by the table; true when the answer was positive."""
        answer = self.hop.answer_for(stage, argument)
        if answer is DROP:
            raise EOFError
        if answer is SILENT:
            self.connection.sendall(self.replies)
            self.replies = b""
            while self.connection.recv(65536):
                pass
            raise EOFError
        positive = answer[0] in "23"
        if positive:
            accepted()
        self.reply(answer)
        return positive


class NextHop:
    """`with NextHop({...}) as hop:` serves until the end of the block.

    The table maps a stage (connect, ehlo, mail, rcpt, data, dot, quit …) or ("rcpt", address) or
    ("mail", address) to an answer: a reply, DROP, SILENT, or a function that takes the argument (an address; for
    dot the Message) and returns one of these. It may be changed at any time through `answers`. With
    `listening=False` connections are refused until listen() is called; the address stays the same.
    """

    def __init__(self, answers=None, listening=True, delay=0.0):
        self.answers = dict(answers or {})
        self.delay = delay
        self.lock = threading.Lock()
        self.messages, self.attempts, self.commands = [], [], []
        self.connections = []
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        if listening:
            self.listen()

    def listen(self):
        self.socket.listen(128)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections.append(connection)
                number = len(self.connections)
            threading.Thread(target=Session(self, connection, number).serve, daemon=True).start()

    def answer_for(self, stage, argument):
        if self.delay:
            time.sleep(self.delay)
        with self.lock:
            answer = self.answers.get((stage, argument)) if isinstance(argument, str) else None
            answer = answer or self.answers.get(stage) or USUAL[stage]
        return answer(argument) if callable(answer) else answer

    def note_command(self, session, line):
        with self.lock:
            self.commands.append((session, line))

    def note_attempt(self, message):
        with self.lock:
            self.attempts.append(message)

    def note_message(self, message):
        with self.lock:
            self.messages.append(message)

    # --- for tests

    def messages_for(self, recipient):
        with self.lock:
            return [message for message in self.messages if recipient in message.recipients]

    def rcpt_count(self, recipient):
        """How often a recipient was named to us, whatever the answer."""
        with self.lock:
            return sum(1 for _, line in self.commands
                       if line.upper().startswith("RCPT TO:") and address_in(line) == recipient)

    def session_count(self):
        with self.lock:
            return len(self.connections)

    def close(self):
        for sock in [self.socket, *self.connections]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def address_in(line):
    found = re.search(r"<([^>]*)>", line)
    return found.group(1) if found else ""


def split_received(content):
    """(our Received header with its folded lines, the rest)."""
    found = re.match(rb"Received:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", content)
    return (found.group(0), content[found.end():]) if found else (b"", content)


def times(count, answer, then):
    """An answer for the table: `answer` for the first `count` times, afterwards `then`."""
    lock, left = threading.Lock(), [count]

    def choose(_):
        with lock:
            left[0] -= 1
            return answer if left[0] >= 0 else then

    return choose
