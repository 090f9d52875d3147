"""Starts workers on other machines: by ssh, or as jobs of Slurm."""

import contextlib
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.errors import InvalidInput, quote, split_list
from bench.fleet.dask_settings import is_loopback, split_address

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_HOST = rf"({_NAME}@)?{_NAME}"
_NODES = rf"({_NAME})(?::([A-Za-z_][A-Za-z0-9._-]*))?(?::([1-9][0-9]{{0,2}}))?"
"""What Slurm itself writes in ``--gres``: a name, a type, a number."""
_ENDING_S = 5.0
_SLURM_S = 60.0
"""A controller with much to do lets one wait."""
_SQUEUE_EACH_S = 30.0
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
    processes: dict[str, subprocess.Popen[bytes]] = {}
    workers = SshWorkers(processes, tell)
    try:
        for host in hosts:
            processes[host] = _start_ssh(host, scheduler)
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


@dataclass(frozen=True)
class SlurmNodes:
    """Nodes of one type, as ``--slurm`` names them: PARTITION[:TYPE][:COUNT]."""

    partition: str
    type: str | None = None
    """A feature of the nodes, for sbatch's ``--constraint``."""
    count: int = 1

    @property
    def title(self) -> str:
        """What a person wrote, without the count."""
        return self.partition if self.type is None else f"{self.partition}:{self.type}"


def parse_nodes(text: str) -> list[SlurmNodes]:
    """Return the types of nodes of ``--slurm``. Raises `InvalidInput`."""
    found = [re.fullmatch(_NODES, each) for each in split_list(text)]
    nodes = [SlurmNodes(match[1], match[2], int(match[3] or 1)) for match in found if match is not None]
    if not nodes or None in found or len({each.title for each in nodes}) < len(nodes):
        raise InvalidInput(
            "--slurm takes partitions, with the type of node and how many of it where you want, each once, such as "
            f"gpu or gpu:a100:4,gpu:h100; got {quote(text)!r}."
        )
    return nodes


def make_slurm_script(nodes: SlurmNodes, scheduler: str, job_name: str) -> str:
    """Make the script for sbatch: a job for each node, so that each starts as soon as there is room for it.

    ``--exclusive`` gives a job all cores and GPUs of its node, and nobody else any of them; ``--mem=0`` all its memory.
    """
    constraint = "" if nodes.type is None else f"#SBATCH --constraint={nodes.type}\n"
    array = "" if nodes.count == 1 else f"#SBATCH --array=1-{nodes.count}\n"
    return f"""#!/bin/bash
#SBATCH --job-name={job_name}
#SBATCH --partition={nodes.partition}
{constraint}{array}#SBATCH --nodes=1
#SBATCH --exclusive
#SBATCH --mem=0
exec aebench fleet worker --scheduler {shlex.quote(scheduler)} --label "$SLURMD_NODENAME"
"""


class SlurmWorkers:
    """Workers in jobs of Slurm."""

    def __init__(self, job_name: str, jobs: dict[str, str], tell: Callable[[str], None]) -> None:
        self._job_name = job_name
        self._jobs = jobs
        """What each asked for, by the job's id."""
        self._tell = tell
        self._told: set[tuple[str, str]] = set()
        self._thread = ThreadPoolExecutor(1)
        self._queue: Future[list[list[str]] | None] | None = None
        self._asks_at = 0.0

    def look(self) -> None:
        """Say why jobs wait, and which have ended. Slurm is asked twice a minute, and not waited for."""
        if self._queue is None:
            if self._jobs and time.monotonic() >= self._asks_at:
                self._queue = self._thread.submit(_read_queue, self._job_name)
        elif self._queue.done():
            queue, self._queue = self._queue.result(), None
            self._asks_at = time.monotonic() + _SQUEUE_EACH_S
            if queue is not None:
                self._tell_changes(queue)

    def _tell_changes(self, queue: Sequence[Sequence[str]]) -> None:
        for job, asked in list(self._jobs.items()):
            reasons = {reason for one, state, reason in queue if one == job and state == "PENDING"}
            if job not in {one for one, _, _ in queue}:
                self._tell(f"Slurm's job {job} ({asked}) has ended; see slurm-{job}*.out where home was started.")
                del self._jobs[job]
            for reason in sorted(reasons):
                if (job, reason) not in self._told:
                    self._told.add((job, reason))
                    self._tell(f"Slurm's job {job} ({asked}) waits: {quote(reason, 80)}.")

    def leave(self) -> None:
        """Let the jobs run on without home."""
        if self._jobs:
            self._tell(f"Slurm's jobs stay: --resume goes on with them, and scancel {' '.join(self._jobs)} ends them.")
            self._jobs.clear()

    def end(self) -> None:
        """Cancel the jobs."""
        self._thread.shutdown()
        if self._jobs:
            _, problem = _run_slurm(("scancel", *self._jobs))
            ids = " ".join(self._jobs)
            self._tell(
                f"Slurm's jobs could not be cancelled ({problem}); run: scancel {ids}"
                if problem
                else f"Slurm's jobs are cancelled: {ids}."
            )


@contextmanager
def start_by_slurm(
    nodes: Sequence[SlurmNodes], scheduler: str, sweep: str, tell: Callable[[str], None]
) -> Iterator[SlurmWorkers]:
    """Submit a job for each node; they are cancelled with the context. Without sbatch, scripts for it are printed.

    Jobs that a killed home left in the queue are taken over. Raises `InvalidInput` for what Slurm refuses.
    """
    job_name = f"aebench-{sweep[:8]}"
    jobs: dict[str, str] = {}
    workers = SlurmWorkers(job_name, jobs, tell)
    try:
        if nodes and shutil.which("sbatch") is None:
            tell("There is no sbatch here. Submit on the cluster, once each:")
            for each in nodes:
                tell(f"\n{make_slurm_script(each, scheduler, job_name)}")
        elif nodes:
            jobs |= _find_jobs(job_name)
            if jobs:
                tell(f"In Slurm's queue from before: {', '.join(jobs)}. No more jobs are submitted.")
            else:
                for each in nodes:
                    jobs[_submit(make_slurm_script(each, scheduler, job_name))] = each.title
                tell(f"Submitted to Slurm: {', '.join(f'{job} ({asked})' for job, asked in jobs.items())}.")
        yield workers
    finally:
        workers.end()


def _find_jobs(job_name: str) -> dict[str, str]:
    queue = _read_queue(job_name)
    if queue is None:
        raise InvalidInput("squeue does not say what is in Slurm's queue: run it by hand to see why, and try again.")
    return {job: "from before" for job, _, _ in queue}


def _read_queue(job_name: str) -> list[list[str]] | None:
    """Return the id that all jobs of an array have, the state and why it waits of each job that has not ended.

    None without an answer.
    """
    answer, problem = _run_slurm(("squeue", "--noheader", f"--name={job_name}", "--format=%F|%T|%r"))
    lines = [line.strip().split("|", 2) for line in answer.splitlines()]
    return None if problem else [line for line in lines if len(line) == 3 and line[1] != "COMPLETING"]


def _submit(script: str) -> str:
    """Submit a job; returns its id. Raises `InvalidInput`."""
    answer, problem = _run_slurm(("sbatch", "--parsable"), script)
    job = answer.strip().partition(";")[0]
    if problem or not re.fullmatch(r"\d+", job):
        raise InvalidInput(
            f"Slurm takes no such job: {problem or quote(answer, 200)}. Go on with --resume and another --slurm."
        )
    return job


def _run_slurm(words: Sequence[str], text: str | None = None) -> tuple[str, str]:
    """Run one of Slurm's commands; returns what it printed, and what went wrong, if anything did."""
    try:
        done = subprocess.run(
            words,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SLURM_S,
            check=False,
            **_OWN_GROUP,
        )
    except OSError as error:
        return "", f"{words[0]} cannot be started: {error.strerror}"
    except subprocess.TimeoutExpired:
        return "", f"{words[0]} has not answered for {_SLURM_S:.0f} s"
    problem = quote(done.stderr.strip().rpartition("\n")[2], 200) or f"{words[0]} ended with {done.returncode}"
    return done.stdout, problem if done.returncode else ""
