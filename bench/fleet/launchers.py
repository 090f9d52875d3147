"""Starts workers on other machines: by ssh, or as jobs of Slurm."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

from bench.errors import InvalidInput, format_count, quote, split_list
from bench.fleet.dask_settings import is_loopback, split_address

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_HOST = rf"({_NAME}@)?{_NAME}"
_NODES = rf"({_NAME})(?::(?![0-9]+(?::|$))({_NAME}))?(?::([1-9][0-9]{{0,2}}))?"
"""A number alone is how many, and no type."""
_ALONE = ("--nodes=1", "--exclusive", "--mem=0")
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
            "--slurm takes partitions, with a feature of their nodes and a number of nodes where you want, each once, "
            f"such as gpu or gpu:a100:4,gpu:h100; got {quote(text)!r}."
        )
    return nodes


def make_slurm_script(nodes: SlurmNodes, scheduler: str, job_name: str) -> str:
    """Make the script for sbatch."""
    options = "".join(f"#SBATCH {option}\n" for option in _list_options(nodes, job_name))
    return f"""#!/bin/bash
{options}exec aebench fleet worker --scheduler {shlex.quote(scheduler)} --label "$SLURMD_NODENAME"
"""


def _list_options(nodes: SlurmNodes, job_name: str) -> list[str]:
    """A job for each node, so that each starts as soon as there is room for it.

    ``--exclusive`` gives a job all cores and GPUs of its node, and nobody else any of them; ``--mem=0`` all its memory.
    """
    constraint = [] if nodes.type is None else [f"--constraint={nodes.type}"]
    array = f"--array=1-{nodes.count}"
    return [f"--job-name={job_name}", f"--partition={nodes.partition}", *constraint, array, *_ALONE]


class SlurmWorkers:
    """Workers in jobs of Slurm, which all have one name."""

    def __init__(self, job_name: str, tell: Callable[[str], None]) -> None:
        self.is_waiting = False
        """Whether a job was pending when Slurm was asked last, or has just been submitted."""
        self._job_name = job_name
        self._tell = tell
        self._has_jobs = False
        """Whether Slurm may have jobs of that name, also where an answer of sbatch has not come."""
        self._counts: Counter[str] = Counter()
        """How many jobs of each type of node there were when Slurm was asked last."""
        self._reasons: set[str] = set()
        self._thread = ThreadPoolExecutor(1)
        self._queue: Future[list[_QueuedJob] | None] | None = None
        self._asks_at = time.monotonic() + _SQUEUE_EACH_S

    def take_over(self) -> None:
        """Count what an earlier home has submitted as submitted. Raises `InvalidInput` where Slurm does not say."""
        queue = _read_queue(self._job_name)
        if queue is None:
            raise InvalidInput("squeue fails; run it by hand to see why, and go on with --resume.")
        self._has_jobs = bool(queue)
        self._counts = Counter(job.title for job in queue)
        if queue:
            counts = ", ".join(f"{title}, {format_count(count, 'node')}" for title, count in self._counts.items())
            self._tell(f"In Slurm's queue from before: {counts}.")

    def submit(self, nodes: Sequence[SlurmNodes], scheduler: str) -> None:
        """Submit what is not there yet. Raises `InvalidInput` for what Slurm refuses."""
        for each in nodes:
            missing = replace(each, count=each.count - self._counts[each.title])
            if missing.count > 0:
                self._has_jobs = True
                options = _list_options(missing, self._job_name)
                script = make_slurm_script(missing, scheduler, self._job_name)
                # A person's own variables, such as SBATCH_PARTITION, count for more than what a script says.
                answer, problem = _run_slurm(("sbatch", "--parsable", *options), script)
                if problem:
                    raise InvalidInput(
                        f"Slurm takes no job for {each.title}: {problem}. Go on with --resume and another --slurm."
                    )
                self.is_waiting = True
                self._counts[each.title] += missing.count
                job = quote(answer.partition(";")[0], 40)  # what follows is the cluster's name
                self._tell(f"Slurm's job {job}: {each.title}, {format_count(missing.count, 'node')}.")

    def look(self) -> None:
        """Say why jobs wait, and how many have ended. Slurm is asked twice a minute, and not waited for."""
        if self._queue is None:
            if self._has_jobs and time.monotonic() >= self._asks_at:
                self._queue = self._thread.submit(_read_queue, self._job_name)
        elif self._queue.done():
            queue, self._queue = self._queue.result(), None
            self._asks_at = time.monotonic() + _SQUEUE_EACH_S
            self.is_waiting = queue is not None and any(job.state == "PENDING" for job in queue)
            if queue is not None:
                self._tell_changes(queue)

    def _tell_changes(self, queue: Sequence["_QueuedJob"]) -> None:
        for job in queue:
            line = f"Slurm's job {job.id} ({job.title}) waits: {quote(job.reason, 80)}."
            if job.state == "PENDING" and job.reason not in ("None", "(null)") and line not in self._reasons:
                self._reasons.add(line)
                self._tell(line)
        counts = Counter(job.title for job in queue)
        for title, ended in (self._counts - counts).items():
            self._tell(
                f"{format_count(ended, 'job')} of Slurm for {title} ended; see slurm-*.out where home was started."
            )
        self._counts = counts

    def leave(self) -> None:
        """Let the jobs run on without home."""
        if self._has_jobs:
            self._has_jobs = False
            self._tell(f"Slurm's jobs run on: --resume goes on with them, and {self._cancel_command} ends them.")

    def end(self) -> None:
        """Cancel the jobs, whatever squeue last said of them."""
        try:
            self.cancel()
        except KeyboardInterrupt:
            self._tell(f"Slurm's jobs may run on; {self._cancel_command} ends them.")
            raise
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def cancel(self) -> None:
        """Cancel all jobs of this sweep that there may be."""
        if self._has_jobs:
            _, problem = _run_slurm(shlex.split(self._cancel_command))
            if problem and _read_queue(self._job_name) != []:
                self._tell(f"Slurm's jobs could not be cancelled ({problem}); run: {self._cancel_command}")
            else:
                self._tell("Slurm's jobs are cancelled.")
            self._has_jobs = False
            self._counts.clear()

    @property
    def _cancel_command(self) -> str:
        return f"scancel --name={self._job_name}"


@contextmanager
def start_by_slurm(
    nodes: Sequence[SlurmNodes], scheduler: str, sweep: str, before: str | None, tell: Callable[[str], None]
) -> Iterator[SlurmWorkers]:
    """Submit a job for each node; they are cancelled with the context. Without sbatch, scripts for it are printed.

    Jobs that a killed home left in the queue are taken over, where the scheduler ``before`` is still the one that their
    workers know; None of a sweep that is new. Raises `InvalidInput` for what Slurm refuses.
    """
    job_name = f"aebench-{sweep[:8]}"
    workers = SlurmWorkers(job_name, tell)
    try:
        if nodes and shutil.which("sbatch") is None:
            tell("There is no sbatch here. Submit on the cluster, once each:")
            for each in nodes:
                tell(f"\n{make_slurm_script(each, scheduler, job_name)}")
        elif nodes:
            if before is not None:
                workers.take_over()
            if before not in (None, scheduler):
                workers.cancel()
            workers.submit(nodes, scheduler)
        yield workers
    finally:
        workers.end()


@dataclass(frozen=True)
class _QueuedJob:
    """A line of squeue."""

    id: str
    state: str
    partition: str
    feature: str
    reason: str

    @property
    def title(self) -> str:
        """As `SlurmNodes` has it."""
        return self.partition if self.feature == "(null)" else f"{self.partition}:{self.feature}"


def _read_queue(job_name: str) -> list[_QueuedJob] | None:
    """Return the jobs that have not ended, each of an array for itself; None without an answer."""
    words = ("squeue", "--noheader", "--array", "--all", f"--name={job_name}", "--format=%i|%T|%P|%f|%r")
    answer, problem = _run_slurm(words)
    lines = [line.strip().split("|", 4) for line in answer.splitlines()]
    jobs = [_QueuedJob(*line) for line in lines if len(line) == len(fields(_QueuedJob))]
    return None if problem else [job for job in jobs if job.state != "COMPLETING"]


def _run_slurm(words: Sequence[str], text: str | None = None) -> tuple[str, str]:
    """Run one of Slurm's commands; returns what it printed, and what went wrong, if anything did."""
    # Filters that a person has for themselves would hide jobs from us.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")}
    try:
        done = subprocess.run(
            words,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SLURM_S,
            check=False,
            env=environ,
            **_OWN_GROUP,
        )
    except OSError as error:
        return "", f"{words[0]} cannot be started: {error.strerror}"
    except subprocess.TimeoutExpired:
        return "", f"{words[0]} has not answered for {_SLURM_S:.0f} s"
    problem = quote(done.stderr.strip().rpartition("\n")[2], 200) or f"{words[0]} ended with {done.returncode}"
    return done.stdout, problem if done.returncode else ""
