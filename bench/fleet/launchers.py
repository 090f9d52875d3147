"""Starts workers on other machines: by ssh, or by a script for Slurm."""

import contextlib
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bench.errors import InvalidInput, quote, split_list
from bench.fleet.dask_settings import is_loopback, split_address

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_HOST = rf"({_NAME}@)?{_NAME}"
_ENDING_S = 5.0
_OWN_GROUP: dict[str, Any] = {} if sys.platform == "win32" else {"process_group": 0}
"""Ctrl-C is for home, which asks what to end."""


def parse_hosts(text: str) -> list[str]:
    """Return the hosts of ``--ssh``. Raises `InvalidInput`: what ssh would take for a flag is no host."""
    hosts = split_list(text)
    wrong = [host for host in hosts if not re.fullmatch(_HOST, host)]
    if wrong or not hosts or len(set(hosts)) < len(hosts):
        raise InvalidInput(f"--ssh takes hosts, each once, such as host1,me@host2; got {quote(text)!r}.")
    return hosts


def require_reachable(scheduler: str, flag: str) -> None:
    """Raise `InvalidInput` where other machines cannot reach a scheduler's address."""
    _, host, _ = split_address(scheduler)
    if host in ("0.0.0.0", "::"):  # noqa: S104 - it is refused
        raise InvalidInput(
            f"{flag} starts workers on other machines, and {scheduler} is no address that one can connect to: name "
            "this machine's own with --scheduler."
        )
    if is_loopback(host):
        raise InvalidInput(
            f"{flag} starts workers on other machines, and {scheduler} is reached from this one alone: name an address "
            "of this machine with --scheduler."
        )


class SshWorkers:
    """Workers that were started by ssh."""

    def __init__(self, processes: dict[str, subprocess.Popen[bytes]], tell: Callable[[str], None]) -> None:
        self._running = processes
        self._tell = tell

    def look(self) -> None:
        """Say which have ended, and with what last line."""
        for host, process in list(self._running.items()):
            if process.poll() is not None:
                said, _ = process.communicate()
                last = said.decode(errors="replace").strip().rpartition("\n")[2]
                self._tell(f"ssh {host} has ended with exit code {process.returncode}: {quote(last, 200)}")
                del self._running[host]

    def end(self) -> None:
        """End all: the terminal that each has there closes, which ends a worker as Ctrl-C does."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ENDING_S)
            process.kill()
            process.communicate()


@contextmanager
def start_by_ssh(hosts: Sequence[str], scheduler: str, tell: Callable[[str], None]) -> Iterator[SshWorkers]:
    """Start a worker on each host, of the aebench that its shell finds; they end with the context.

    ssh asks for nothing: keys, and hosts that are known, have to be there. Raises `InvalidInput` without ssh.
    """
    workers = SshWorkers({}, tell)
    try:
        processes = {host: _start_ssh(host, scheduler) for host in hosts}
        workers = SshWorkers(processes, tell)
        yield workers
    finally:
        workers.end()


def _start_ssh(host: str, scheduler: str) -> subprocess.Popen[bytes]:
    label = re.sub(r"[^A-Za-z0-9._-]", "-", host.rpartition("@")[2])[:40]
    command = shlex.join(["aebench", "fleet", "worker", "--scheduler", scheduler, "--label", label])
    # A connection that is kept for others (ControlPersist) outlives this ssh and holds its output open.
    options = ("-o", "BatchMode=yes", "-o", "ServerAliveInterval=30", "-o", "ControlPath=none")
    words = ("ssh", "-tt", *options, host, command)
    try:
        return subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **_OWN_GROUP,
        )
    except OSError as error:
        raise InvalidInput(f"ssh cannot be started: {error.strerror}; start the workers by hand.") from error


def make_slurm_script(partition: str, scheduler: str) -> str:
    """Make a script for sbatch that runs a worker on each node of a job. Raises `InvalidInput`.

    A node's home folder is often every node's: each has a folder of its own there.
    """
    if not re.fullmatch(_NAME, partition):
        raise InvalidInput(f"--slurm takes the name of a partition; got {quote(partition)!r}.")
    return f"""#!/bin/bash
#SBATCH --job-name=aebench-fleet
#SBATCH --partition={partition}
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
# A job for each type of node: sbatch --nodes=4 --constraint=TYPE SCRIPT. --exclusive keeps others off the node.
srun bash -c 'exec aebench fleet worker --scheduler {shlex.quote(scheduler)} --label "$SLURMD_NODENAME"'
"""
