"""How a measured process talks to its parent."""

import json
import os
import sys
import threading
from io import FileIO

from bench.worker.protocol import Event, Job, to_line

if sys.platform == "win32":
    import msvcrt

_ORPHANED = 113
"""Exit code of a process whose parent is gone: nobody reads it, so any will do."""


class Channel:
    """Events to the parent over a pipe that nothing else writes to."""

    def __init__(self) -> None:
        self._out = open_pipe()

    def receive_job(self) -> Job:
        """Read the job's line from standard input, then watch that pipe: when the parent dies, so does this process."""
        fields = json.loads(sys.stdin.buffer.readline())
        threading.Thread(target=_exit_with_parent, daemon=True).start()
        return Job(**{**fields, "checkpoints": tuple(fields["checkpoints"])})

    def send(self, event: Event) -> None:
        """Write one event; returns when the kernel has it."""
        self._out.write(to_line(event))


def open_pipe() -> FileIO:
    """Open the pipe to the parent, whose handle is the last argument of this process; `bench.sweep.process` makes it.

    The file is unbuffered: a line that was sent survives whatever happens to this process afterwards. Exits where no
    handle was given, as by the gate of an older revision.
    """
    if not sys.argv[-1].isdecimal():
        sys.exit("this process is started by aebench, which hands it a pipe for its events; none came")
    handle = int(sys.argv.pop())
    if sys.platform == "win32":
        handle = msvcrt.open_osfhandle(handle, os.O_WRONLY)
    os.set_inheritable(handle, False)
    return FileIO(handle, "wb")


def _exit_with_parent() -> None:
    # A read that returns means end of file: nothing is ever sent after the job.
    os.read(0, 1)
    os._exit(_ORPHANED)
