"""How a measured process talks to its parent."""

import json
import os
import sys
import threading
from io import FileIO

from bench.worker.protocol import Event, Job, to_line

_ORPHANED = 113
"""Exit code of a process whose parent is gone: nobody reads it, so any will do."""


class Channel:
    """Events to the parent over what was standard output."""

    def __init__(self) -> None:
        self._out = claim_output()

    def receive_job(self) -> Job:
        """Read the job's line from standard input, then watch that pipe: when the parent dies, so does this process."""
        fields = json.loads(sys.stdin.buffer.readline())
        threading.Thread(target=_exit_with_parent, daemon=True).start()
        return Job(**{**fields, "checkpoints": tuple(fields["checkpoints"])})

    def send(self, event: Event) -> None:
        """Write one event; returns when the kernel has it."""
        self._out.write(to_line(event))


def claim_output() -> FileIO:
    """Take standard output for events; whatever else writes there goes to the log from now on.

    The file is unbuffered: a line that was sent survives whatever happens to this process afterwards.
    """
    sys.stdout.flush()
    claimed = os.dup(1)
    os.dup2(2, 1)
    return FileIO(claimed, "wb")


def _exit_with_parent() -> None:
    # A read that returns means end of file: nothing is ever sent after the job.
    os.read(0, 1)
    os._exit(_ORPHANED)
