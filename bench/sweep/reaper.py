"""Ends all processes of a case together, also when the parent itself is killed."""

import contextlib
import os
import signal
import subprocess
from types import TracebackType
from typing import Self


class Reaper:
    """A shell that leads the process group of a measured process and kills that group when the parent is gone.

    A measured process ends by itself when its parent dies, unless it hangs in native code, is stopped or has started
    other processes. The shell waits for the end of its input, which comes when the parent dies; until then it takes no
    processor time and a megabyte. It then kills the group that it is in itself.

    As long as the shell was not waited for, the system gives the id of the group to nobody else. So the group can be
    killed safely after the measured process has ended and was waited for.

    On Windows, which has no process groups, it does nothing; nor in a container without a shell, where a process group
    is led by the measured process itself and can be killed only as long as that one was not waited for.
    """

    _SHELL = "/bin/sh"
    _SCRIPT = "trap '' HUP INT TERM; read -r _; kill -s KILL 0"

    def __init__(self) -> None:
        self._shell: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if os.name == "posix":
            with contextlib.suppress(OSError):
                self._shell = subprocess.Popen(
                    (self._SHELL, "-c", self._SCRIPT),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    process_group=0,
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_group()
        if self._shell is not None and self._shell.stdin is not None:
            self._shell.stdin.close()
            self._shell.wait()

    @property
    def group(self) -> int | None:
        """Process group for a process to join: the shell's, or 0 for one of its own; None on Windows."""
        if os.name != "posix":
            return None
        return 0 if self._shell is None else self._shell.pid

    def kill_group(self) -> None:
        """Kill every process of the group, the shell included; nothing once the shell was waited for."""
        if self._shell is not None and self._shell.returncode is None:
            # Where all of the group has ended, macOS refuses; where nobody waits for children, there is no group.
            with contextlib.suppress(PermissionError, ProcessLookupError):
                os.killpg(self._shell.pid, signal.SIGKILL)
