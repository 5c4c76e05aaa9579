"""What the end-to-end tests share: a private instance of the daemons, and the clock they wait by.

The other halves of a conversation are in smtp_client.py and next_hop.py. Every instance has a folder, an
address of 127.0.0.0/8 and a port of its own, so tests may run side by side. Works as root (the daemons run as
`nobody`) and as an ordinary user (the daemons run as that user).
"""

import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from smtp_client import Client

TREE = Path(__file__).resolve().parents[2]
SBIN = Path(os.environ.get("HIKYAKU_SBIN", TREE / "build" / "release" / "sbin"))

# Exit codes (sysexits.h).
OK, USAGE, DATA, UNAVAILABLE, SOFTWARE, TRY_AGAIN, NO_PERMISSION, CONFIG = 0, 64, 65, 69, 70, 75, 77, 78

WITH_SANITIZERS = "/asan/" in str(SBIN) + "/"
# They make everything several times slower.
PATIENCE = 3 if WITH_SANITIZERS else 1


def wait_until(condition, seconds=10, what=None):
    """Waits until `condition()` is true and returns what it returned; fails after `seconds`."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds * PATIENCE} s: {what or condition}")
        time.sleep(0.02)


def mail_owner():
    """The user of the daemons: an unprivileged one that every machine has, or whoever runs the tests."""
    return "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def free_address():
    """(address, port) that nothing else uses: a random loopback address, so that runs in parallel do not meet."""
    while True:
        address = f"127.{random.randint(1, 254)}.{random.randint(0, 254)}.{random.randint(1, 254)}"
        with socket.socket() as probe:
            probe.bind((address, 0))
            return address, probe.getsockname()[1]


class Outcome:
    """What a command did."""

    def __init__(self, code, stdout, stderr):
        self.code, self.stdout, self.stderr = code, stdout, stderr
        self.text = stdout + stderr

    def __repr__(self):
        return f"exit {self.code}\nstdout: {self.stdout}\nstderr: {self.stderr}"


class Instance:
    """One installation in a private folder: `with Instance(next_hop=hop) as hikyaku:` starts and ends it.

    `settings` are keys of main.cf beyond (or instead of) the usual ones; None removes a usual one. With
    `next_hop` everything is relayed to it.
    """

    def __init__(self, next_hop=None, settings=None, started=True):
        self.folder = Path(tempfile.mkdtemp(prefix="hikyaku-e2e-"))
        self.config = self.folder / "etc"
        self.sanitizer_options = ""  # more of ASAN_OPTIONS
        self.queue = self.folder / "queue"
        self.log_file = self.folder / "mail.log"
        self.address = free_address()
        self.starts_on_enter = started
        self.restarts_expected = False
        self.config.mkdir()
        self.queue.mkdir()
        # The daemons' user must reach the folder and write into it: mkdtemp made it for ours alone.
        self.folder.chmod(0o755)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(mail_owner())
            for path in (self.folder, self.queue):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        shutil.copy(TREE / "conf" / "master.cf", self.config)
        self.settings = {
            "queue_directory": self.queue,
            "maillog_file": self.log_file,
            "mail_owner": mail_owner(),
            "myhostname": "relay.test",
            "mydestination": "",
            "mynetworks": "127.0.0.0/8",
            "relay_listen": f"{self.address[0]}:{self.address[1]}",
            "alias_maps": "",
            "extended_limits": "yes",
            "relay_receive_interval": "0",
        }
        if next_hop is not None:
            self.settings["relayhost"] = f"[{next_hop.address[0]}]:{next_hop.address[1]}"
        self.configure(**(settings or {}))

    # --- configuration

    def configure(self, **changes):
        """Changes keys of main.cf and writes it."""
        self.settings.update(changes)
        lines = [f"{key} = {value}" for key, value in self.settings.items() if value is not None]
        self.write_config("main.cf", "\n".join(lines) + "\n")

    def write_config(self, name, text):
        # In one step, as an operator's editor does it: nobody may read half a file.
        new = self.config / (name + ".new")
        new.write_text(text)
        new.rename(self.config / name)

    # --- commands

    def run(self, *arguments, program="hikyaku", stdin="", seconds=30):
        """Runs a command of ours with this instance's configuration."""
        command = [str(SBIN / program)]
        environment = dict(os.environ, ASAN_OPTIONS=f"log_path={self.folder}/sanitizer{self.sanitizer_options}",
                           UBSAN_OPTIONS=f"print_stacktrace=1:log_path={self.folder}/sanitizer")
        if program == "hikyaku":
            command += ["-c", str(self.config)]
        else:
            environment["MAIL_CONFIG"] = str(self.config)
        # Files, not pipes: daemons that keep a pipe open would keep us waiting for its end.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(command + [str(argument) for argument in arguments], env=environment,
                                       stdin=subprocess.PIPE, stdout=out, stderr=err)
            try:
                process.communicate(stdin.encode(), timeout=seconds * PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"not finished after {seconds * PATIENCE} s: {arguments}\n{self.log()}")
            out.seek(0)
            err.seek(0)
            return Outcome(process.returncode, out.read().decode(errors="replace"), err.read().decode(errors="replace"))

    def must_run(self, *arguments, **options):
        outcome = self.run(*arguments, **options)
        assert outcome.code == OK, f"{arguments}: {outcome}\n{self.log()}"
        return outcome.stdout

    def start(self):
        self.must_run("start")

    def stop(self):
        self.must_run("stop")

    def reload(self):
        self.must_run("reload")

    def status(self):
        return json.loads(self.run("status", "--json").stdout)

    def services(self):
        """{name: service} as `status --json` lists them."""
        return {service["name"]: service for service in self.status()["services"]}

    def pids(self):
        return [pid for service in self.services().values() for pid in service["pids"]]

    def kill(self, service):
        """kill -9 for every process of one service; returns their process IDs."""
        self.restarts_expected = True
        pids = self.services()[service]["pids"]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return pids

    # --- the queue and the log

    def queue_list(self, *filters):
        """The entries of `queue list --json`."""
        return [json.loads(line) for line in self.must_run("queue", "list", "--json", *filters).splitlines()]

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def log_lines(self, pattern):
        return [line for line in self.log().splitlines() if re.search(pattern, line)]

    def wait_for_log(self, pattern, seconds=10, count=1):
        """The lines that match, once there are `count` of them."""
        try:
            wait_until(lambda: len(self.log_lines(pattern)) >= count, seconds)
        except AssertionError:
            raise AssertionError(f"{count} × {pattern!r} not in the log within {seconds} s:\n{self.log()}") from None
        return self.log_lines(pattern)

    def wait_for_empty_queue(self, seconds=10):
        wait_until(lambda: not self.queue_list(), seconds, "the queue is empty")

    # --- mail

    def client(self, **options):
        return Client(self.address, timeout=10 * PATIENCE, **options)

    def send(self, sender, recipients, content):
        """Sends one message through a session of its own; returns its queue ID."""
        with self.client() as client:
            client.hello()
            return client.transaction(sender, recipients, content)

    # --- life

    def __enter__(self):
        if self.starts_on_enter:
            try:
                self.start()
            except BaseException:
                self.cleanup()
                raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.check_health()
            else:
                print(f"--- {self.log_file}\n{self.log()}---")
        finally:
            self.cleanup()

    def check_health(self):
        """No daemon may have died by itself, and stopping must leave nothing behind."""
        pids = []
        if self.run("status").code == OK:
            pids = self.pids()
            restarts = {name: s["restarts"] for name, s in self.services().items() if s["restarts"]}
            assert self.restarts_expected or not restarts, f"daemons died: {restarts}\n{self.log()}"
            self.stop()
        reports = list(self.folder.glob("sanitizer*"))
        assert not reports, "\n".join(report.read_text(errors="replace") for report in reports)
        # Those of the daemons come with whatever else they write to standard error.
        assert not self.log_lines(r"Sanitizer|runtime error: "), self.log()
        wait_until(lambda: not [pid for pid in pids if alive(pid)], 5, "stop ends every daemon")

    def cleanup(self):
        try:
            self.run("abort")
        finally:
            for pid in processes_of(self.folder):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            shutil.rmtree(self.folder, ignore_errors=True)


def alive(pid):
    """Whether a process is there and not just waiting to be reaped."""
    try:
        stat = Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return False
    return stat[stat.rindex(")") + 2] != "Z"


def processes_of(folder):
    """Processes that work in `folder` or name it on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            place = os.readlink(entry / "cwd")
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if int(entry.name) != os.getpid() and (Path(place).is_relative_to(folder) or str(folder) in command):
            found.append(int(entry.name))
    return found


def message(subject, lines=("Hello.",), sender="ann@origin.test", recipient="bob@dest.test"):
    """A small message as it goes over the wire before dot-stuffing."""
    head = [f"From: <{sender}>", f"To: <{recipient}>", f"Subject: {subject}",
            f"Message-ID: <{subject}@origin.test>", "Date: Tue, 8 Mar 2016 16:01:54 +0900", ""]
    return "".join(line + "\r\n" for line in [*head, *lines]).encode()


def main():
    unittest.main(verbosity=2)
