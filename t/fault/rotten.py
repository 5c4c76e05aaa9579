"""Bits that change on the disk while the daemons are stopped: damage is named, and costs no other message."""

import random
import re
import struct
import time

from traffic import QUICKLY, Book, Hop, Instance, LogTail, Processes, make_message

# Bytes: lib/queue/log_format.h, and the sender's tag and length in lib/queue/envelope.h.
SEGMENT_HEADER, RECORD_HEADER, SENDER_FIELD = 4096, 56, 5


class Stopped:
    """An instance, stopped in good order, with `count` messages waiting."""

    def __init__(self, seed, count=60, settings={"retry_a": "2s"}):
        self.book = Book()
        self.hop = Hop(self.book, random.Random(seed))
        self.instance = Instance(self.hop, {**QUICKLY, **settings})
        self.tail = LogTail(self.instance.log_file)
        self.count, self.seed = count, seed

    def __enter__(self):
        self.instance.start()
        self.hop.answers["rcpt"], self.usual = "451 4.3.0 Not now", self.hop.answers["rcpt"]
        with self.instance.client() as client:
            client.hello()
            for n in range(self.count):
                token = f"t{n}x"
                recipients = [f"r0.{token}@dest.test"]
                self.book.sent(token, recipients)
                client.transaction(f"s.{token}@origin.test", recipients, make_message(token, recipients, 1500))
                self.book.told(token, 250, "")
        deadline = time.monotonic() + 20
        while not all(e["attempts"] for e in self.instance.queue_list()) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.instance.stop()
        self.tail.lines()
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            print("\n".join(self.instance.log().splitlines()[-20:]))
        self.instance.cleanup()
        self.hop.close()

    def segment(self):
        """The file that holds the mail, and its bytes."""
        for path in sorted((self.instance.queue / "log").iterdir()):
            data = path.read_bytes() if path.name.isdigit() else b""
            if b"s.t0x@origin.test" in data:
                return path, data
        raise AssertionError("no segment with mail")

    def journal(self):
        return max(path for path in (self.instance.queue / "journal").iterdir() if path.name.isdigit())

    def rest(self):
        """Runs until all is in the index; then again, so that a new journal file does not name it."""
        file = self.instance.queue / "index" / "data.mdb"
        for _ in range(2):
            self.instance.start()
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and any(
                    b"s.t%dx@" % k not in file.read_bytes() for k in range(self.count)):
                time.sleep(0.1)
            self.instance.stop()
        self.tail.lines()

    def go_on(self, expected_missing, seconds=20, flush=False):
        """Starts, and waits until all but the given number of messages have arrived."""
        self.hop.answers["rcpt"] = self.usual
        started = self.instance.run("start")
        if flush:
            self.instance.run("flush")
        deadline = time.monotonic() + seconds
        while len(self.book.missing()) > expected_missing and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.5)
        self.said = self.tail.lines()
        return started


def flip(path, offset, bit=0):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


def overwrite(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def names(lines, file, offset):
    """Whether a line of the log tells of damage at this place."""
    number = int(file.name)
    place = rf"{re.escape(file.name)}\D.*\boffset {offset}\b|segment {number} at offset {offset}\b|\b{number}:{offset}\b"
    return any(re.search(place, line) and re.search("damaged|cannot be read", line) for line in lines)


def flips_in_known_places(checks, options):
    """In an envelope, in a record's header and in a content: three messages are hurt, the others are not."""
    with Stopped(options.seed) as queue:
        what = "bits flipped in the log"
        file, data = queue.segment()
        record = {n: data.index(b"s.t%dx@origin.test" % n) - SENDER_FIELD - RECORD_HEADER for n in (10, 20, 30)}
        flip(file, record[10] + RECORD_HEADER + SENDER_FIELD + 3)
        flip(file, record[20] + 30)
        content = data.index(b"X-Digest", record[30]) + 80
        flip(file, content, 1)
        queue.go_on(3)
        missing = sorted(queue.book.missing())
        wanted = [f"r0.t{n}x@dest.test" for n in (10, 20, 30)]
        checks.check(missing == wanted, f"{what}: all others are delivered", missing)
        checks.check(not queue.book.damaged, f"{what}: nothing changed is delivered")
        for n, where in ((10, "an envelope"), (20, "a record's header"), (30, "a content")):
            checks.check(names(queue.said, file, record[n]), f"{what}: {where} is named by file and offset",
                         [line for line in queue.said if "damaged" in line or "cannot" in line][:6])


def flips_anywhere(checks, options):
    """One bit anywhere among the mail: at most one message is hurt, and it is named."""
    chance = random.Random(options.seed)
    hurt = 0
    for n in range(options.flips):
        with Stopped(f"{options.seed}/{n}", count=30) as queue:
            file, data = queue.segment()
            end = len(data.rstrip(b"\0"))
            offset, bit = chance.randrange(SEGMENT_HEADER, end), chance.randrange(8)
            flip(file, offset, bit)
            what = f"bit {bit} of byte {offset} flipped"
            queue.go_on(0, 5)
            missing = queue.book.missing()
            checks.check(len(missing) <= 1 and not queue.book.damaged, f"{what}: {30 - len(missing)} of 30 arrive, "
                         "none changed", missing)
            if missing:
                hurt += 1
                token = missing[0].split("@")[0].split(".")[1]
                record = data.index(b"s.%s@origin.test" % token.encode()) - SENDER_FIELD - RECORD_HEADER
                checks.check(names(queue.said, file, record), f"{what}: named by file and offset",
                             [line for line in queue.said if "damaged" in line or "cannot" in line][:6])
    print(f"  {hurt} of {options.flips} flips hurt a message")


def flip_in_a_segment_header(checks, options):
    """One bit, anywhere in what is used of it; two sectors; all of it. Everything is delivered, and the place is named."""
    header = "a segment's header"
    chance = random.Random(options.seed)
    cases = [(f"bit {bit} of byte {offset} of {header} flipped", lambda file, o=offset, b=bit: flip(file, o, b), offset)
             for offset, bit in [(12, 1), (17, 0)] + [(chance.randrange(SEGMENT_HEADER), chance.randrange(8))
                                                      for _ in range(max(options.flips // 4, 1))]]
    cases += [(f"the first sector of {header} zeroed", lambda file: overwrite(file, 0, bytes(512)), 0),
              (f"{header} overwritten", lambda file: overwrite(file, 0, chance.randbytes(SEGMENT_HEADER)), 0)]
    for what, spoil, offset in cases:
        with Stopped(options.seed, count=30) as queue:
            file, _ = queue.segment()
            spoil(file)
            found = queue.instance.run("queue", "verify")
            checks.check(found.code == 65 and f"at offset {offset}" in found.stdout, f"{what}: verify tells it", found)
            queue.go_on(0)
            checks.check(not queue.book.missing(), f"{what}: all mail is delivered", len(queue.book.missing()))
            checks.check(not queue.book.damaged, f"{what}: nothing changed is delivered")
            said = [line for line in queue.said if names([line], file, offset)]
            checks.check(len(said) == 1, f"{what}: named once by file and offset", queue.said[-5:])


def segment_that_is_lost(checks, options):
    """Header and first record: the file is set aside, the service goes on, and what is known of the mail is delivered."""
    with Stopped(options.seed, 30, {"retry_a": "1000s", "retry_b": "1"}) as queue:
        what = "a segment's header and first record overwritten"
        queue.rest()
        file, data = queue.segment()
        overwrite(file, 0, bytes(SEGMENT_HEADER + RECORD_HEADER))
        queue.go_on(1, flush=True)
        first = re.search(rb"s\.(t\d+x)@origin\.test", data).group(1).decode()
        missing = queue.book.missing()
        checks.check(missing == [f"r0.{first}@dest.test"], f"{what}: all others are delivered", missing)
        checks.check(not queue.book.damaged, f"{what}: nothing changed is delivered")
        checks.check(names(queue.said, file, 0), f"{what}: named by file and offset", queue.said[-5:])
        checks.check(names(queue.said, file, SEGMENT_HEADER), f"{what}: the message is named", queue.said[-5:])
        aside = file.with_name(f"damaged-{file.name}")
        checks.check(aside.exists() and any(aside.name in line and "salvage" in line for line in queue.said),
                     f"{what}: the file is set aside, and the log says so", queue.said[-5:])
        with queue.instance.client() as client:
            client.hello()
            recipients = ["r0.tnewx@dest.test"]
            queue.book.sent("tnewx", recipients)
            client.transaction("s.tnewx@origin.test", recipients, make_message("tnewx", recipients, 1500))
            queue.book.told("tnewx", 250, "")
        deadline = time.monotonic() + 10
        while len(queue.book.missing()) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        checks.check(len(queue.book.missing()) == 1, f"{what}: mail is taken and delivered", queue.book.missing())


def flips_in_the_journal(checks, options):
    """In the snapshot, in what was synced behind it, and in its last record: all that is whole is heard, nothing is
    lost, and what is heard no more is at most done again."""
    for where in ("header", "snapshot", "synced part", "last record"):
        with Stopped(options.seed) as queue:
            what = f"a bit flipped in the journal's {where}"
            if where in ("header", "snapshot"):
                # A start writes all that waits at the beginning of a new file.
                queue.instance.start()
                queue.instance.stop()
                queue.tail.lines()
            file = queue.journal()
            end = len(file.read_bytes().rstrip(b"\0"))
            offset = {"header": 34, "snapshot": end // 4, "synced part": end // 2, "last record": end - 2}[where]
            flip(file, offset)
            queue.go_on(0)
            checks.check(not queue.book.missing(), f"{what}: all mail is delivered", len(queue.book.missing()))
            checks.check(not queue.book.damaged, f"{what}: nothing changed is delivered")
            twice = sum(len(arrivals) - 1 for arrivals in queue.book.arrivals.values())
            checks.check(twice == 0, f"{what}: nothing is delivered twice", twice)
            said = [line for line in queue.said if re.search(rf"{file.name}: \d+ bytes at offset \d+ .*damaged", line)]
            if checks.check(len(said) == 1, f"{what}: named by file and offset", queue.said[-5:]):
                length, told = map(int, re.search(r"(\d+) bytes at offset (\d+)", said[0]).groups())
                checks.check(told <= offset < told + length, f"{what}: that is the place", said[0])
            # What nothing vouches for may as well have been torn.
            if where in ("header", "snapshot"):
                kept = (file.parent / f"damaged-{file.name}").exists()
                checks.check(kept, f"{what}: the file is kept aside")


def flips_behind_what_was_delivered(checks, options):
    """A journal that tells of deliveries, all daemons killed: a changed bit repeats at most the one that it told of,
    or, in the snapshot, what the log still holds."""
    chance = random.Random(options.seed)
    for where in ("snapshot", "tail"):
        with Stopped(options.seed, count=30) as queue:
            what = f"a bit flipped in the {where} of a journal that tells of deliveries"
            queue.instance.start()
            queue.hop.answers["rcpt"] = lambda recipient: (
                queue.usual(recipient) if int(re.search(r"t(\d+)x", recipient).group(1)) % 2 else "451 4.3.0 Not now")
            deadline = time.monotonic() + 20
            while len(queue.book.missing()) > 15 and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.3)
            Processes(queue.instance).kill(["master", "smtpd", "cleanup", "qmgr", "smtp-client", "bounce"])
            time.sleep(0.7)
            queue.tail.lines()
            file = queue.journal()
            data = file.read_bytes()
            snapshot_end = struct.unpack_from("<Q", data, 24)[0]
            begin, end = (40, snapshot_end) if where == "snapshot" else (snapshot_end, len(data.rstrip(b"\0")))
            offset = chance.randrange(begin, end)
            flip(file, offset)
            queue.go_on(0)
            checks.check(not queue.book.missing(), f"{what}: all mail is delivered", len(queue.book.missing()))
            twice = sum(len(arrivals) - 1 for arrivals in queue.book.arrivals.values())
            checks.check(twice <= (15 if where == "snapshot" else 1), f"{what}: at most what it told of is repeated", twice)
            said = [line for line in queue.said if re.search(rf"{file.name}: \d+ bytes at offset \d+ .*damaged", line)]
            checks.check(len(said) == 1, f"{what}: named by file and offset", queue.said[-5:])


def flips_in_the_index(checks, options):
    """A bit anywhere in the index, or in a message there, of which alone the journal knows nothing more: it is told, or it hurts nothing;
    and whatever it is, every message comes out."""
    chance = random.Random(options.seed)
    aside = told = 0
    for n in range(max(options.flips // 2, 4)):
        with Stopped(f"{options.seed}/{n}", 30, {"retry_a": "1000s", "retry_b": "1"}) as queue:
            file = queue.instance.queue / "index" / "data.mdb"
            queue.rest()
            data = file.read_bytes()
            bit, offsets = chance.randrange(8), [chance.randrange(len(data))]
            if n % 2 == 1:  # in a message's state, where it does harm, and in what pages that are free have of it
                sender, before = b"s.t%dx@" % chance.randrange(queue.count), chance.randrange(80)
                offsets = [found.start() - before for found in re.finditer(re.escape(sender), data)]
            for offset in offsets:
                flip(file, offset, bit)
            what = f"bit {bit} of byte {offsets[-1]} of the index flipped"
            found = queue.instance.run("queue", "verify")
            target = queue.instance.folder / "salvaged"
            queue.instance.run("queue", "salvage", target)
            out = [path.read_text() for path in target.glob("*.envelope.json")]
            missing = [k for k in range(queue.count) if not any(f"s.t{k}x@" in envelope for envelope in out)]
            checks.check(not missing, f"{what}: all messages come out", missing)
            told += found.code != 0
            queue.go_on(0, 8, flush=True)
            is_aside = any("set aside as index/" in line for line in queue.said)
            aside += is_aside
            checks.check(not queue.book.missing(), f"{what}: all mail is delivered", queue.said[-5:])
            checks.check(not is_aside or found.code != 0, f"{what}: what is set aside, verify tells", found)
            checks.check(is_aside or n % 2 == 0, f"{what}: an index with a message's state that was changed is set aside")
            checks.check(not queue.book.damaged, f"{what}: nothing changed is delivered")
            twice = sum(len(arrivals) - 1 for arrivals in queue.book.arrivals.values())
            checks.check(twice == 0, f"{what}: nothing is delivered twice", twice)
    print(f"  verify told of {told}, and qmgr set {aside} aside")


SCENARIOS = [flips_in_known_places, flips_anywhere, flip_in_a_segment_header, segment_that_is_lost,
             flips_in_the_journal, flips_behind_what_was_delivered, flips_in_the_index]
