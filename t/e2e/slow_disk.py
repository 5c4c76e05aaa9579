"""Daemons on a slow disk: a folder like sbin, in which cleanup waits longer for every flush."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "bench" / "slow_disk.cc"
SCRIPT = """#!/bin/sh
export LD_PRELOAD="{library}" FLUSH_DELAY_US={delay}
# The sanitizers' runtime wants to be the first library, and need not be for this one.
export ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0"
exec "{program}" "$@"
"""


@contextmanager
def slow_sbin(sbin, milliseconds):
    """The folder, while it is open: HIKYAKU_SBIN for instances that are to have such a disk."""
    with tempfile.TemporaryDirectory(prefix="hikyaku-slow-") as name:
        folder = Path(name)
        library = folder / "slow_disk.so"
        compiler = os.environ.get("CXX", "c++").split()
        subprocess.run([*compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
        for program in sbin.iterdir():
            if program.name in ("hikyaku", "master"):  # they look for the daemons beside themselves
                shutil.copy(program, folder)
            elif program.name != "cleanup":
                (folder / program.name).symlink_to(program)
        script = folder / "cleanup"
        script.write_text(SCRIPT.format(library=library, delay=int(milliseconds * 1000), program=sbin / "cleanup"))
        script.chmod(0o755)
        folder.chmod(0o755)
        yield folder
