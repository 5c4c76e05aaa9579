"""A scripted SMTP client for tests: it sends exact bytes, cut where the test wants, and checks the replies."""

import re
import socket
import time


class Reply:
    """One reply: `code`, and `text` with the lines joined by a newline, codes left out."""

    def __init__(self, lines):
        self.code = int(lines[0][:3])
        self.lines = [line[4:] for line in lines]
        self.text = "\n".join(self.lines)

    def __repr__(self):
        return f"{self.code} {self.text}"


def dot_stuffed(content):
    """The bytes after DATA's 354 for `content` (lines end with CRLF), the final dot included."""
    stuffed = re.sub(rb"(?m)^\.", b"..", content)
    return stuffed + (b"" if stuffed.endswith(b"\r\n") or not stuffed else b"\r\n") + b".\r\n"


class Client:
    def __init__(self, address, timeout=10, source=None, greeting=220):
        """Connects from the address `source` and reads the greeting, which must have the code `greeting`
        (None: it is not read)."""
        self.socket = socket.create_connection(address, timeout, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.greeting = self.expect(greeting) if greeting is not None else None
        self.keywords = []

    # --- bytes

    def send(self, data):
        self.socket.sendall(data)

    def send_in_pieces(self, data, size, pause=0.0):
        """Sends `data` in writes of `size` bytes each."""
        for start in range(0, len(data), size):
            self.socket.sendall(data[start : start + size])
            if pause:
                time.sleep(pause)

    def read_line(self):
        while b"\r\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError(f"closed by the server, after {self.buffer!r}")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("utf-8", errors="replace")

    def read_reply(self):
        lines = [self.read_line()]
        while lines[-1][3:4] == "-":
            lines.append(self.read_line())
        for line in lines:
            assert re.match(r"[2-5]\d\d[ -]", line), f"not a reply: {lines}"
        return Reply(lines)

    def expect(self, wanted):
        """Reads a reply, which must have the code `wanted`, or match it when it is a pattern."""
        reply = self.read_reply()
        fits = reply.code == wanted if isinstance(wanted, int) else re.match(wanted, repr(reply))
        assert fits, f"expected {wanted}, got {reply}"
        return reply

    def closed_by_server(self):
        """Whether the server closes now, without another word."""
        try:
            return not self.buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    # --- commands

    def command(self, line, wanted):
        self.send(line.encode() + b"\r\n")
        return self.expect(wanted)

    def hello(self, name="client.test"):
        reply = self.command(f"EHLO {name}", 250)
        self.keywords = reply.lines[1:]
        return reply

    def transaction(self, sender, recipients, content, parameters=""):
        """Sends one message; returns the queue ID of the final reply."""
        self.command(f"MAIL FROM:<{sender}>{parameters}", 250)
        for recipient in [recipients] if isinstance(recipients, str) else recipients:
            self.command(f"RCPT TO:<{recipient}>", 250)
        self.command("DATA", 354)
        self.send(dot_stuffed(content))
        return queue_id(self.expect(250))

    def quit(self):
        self.command("QUIT", 221)
        assert self.closed_by_server()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def queue_id(reply):
    """The ID in `250 2.0.0 Ok: queued as ID`."""
    found = re.fullmatch(r"2\.0\.0 Ok: queued as ([0-9A-Za-z]{10,})", reply.text)
    assert found, f"no queue ID in {reply}"
    return found.group(1)
