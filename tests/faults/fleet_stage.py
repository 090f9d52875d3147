"""Fleets that are interrupted on purpose, and what must hold of their rows whatever happens."""

import contextlib
import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.stage import LIMIT_S, ROOT, STAGE_VARIABLE, left_over, processes

from bench.results import journal

SWEEP = ("--models", "basic,deep,sparse", "--epochs", "1,3", "--batch-sizes", "4,8", "--repeats", "1")
CASES = 6


@dataclass
class Actor:
    """A scheduler, a machine or a home."""

    pid: int
    output: Path

    def said(self) -> str:
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def send(self, number: int) -> None:
        """Send a signal; nothing where it has ended already."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    def is_connected(self) -> bool:
        """Of a machine: whether it is one of the scheduler's."""
        return "waiting for cases" in self.said()

    def code(self, limit_s: float = LIMIT_S) -> int:
        """Wait for the end; the exit code."""
        path = Path(f"{self.output}.code")
        wait_for(lambda: path.exists() and path.read_text() != "", self.said, limit_s)
        return int(path.read_text())


def wait_for(what: Callable[[], bool], why: Callable[[], str], limit_s: float = LIMIT_S) -> None:
    end = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < end, why()
        time.sleep(0.02)


def find_port(host: str) -> int:
    """A free port that the system gives to nobody else while the scheduler is dead; who looks for it there might
    otherwise be connected to itself.
    """
    for port in random.sample(range(10_000, 30_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            return port
    raise OSError(f"no port is free on {host}")


@dataclass
class FleetStage:
    """Starts what a fleet is made of; everything it starts is found by a variable of its environment."""

    server: subprocess.Popen[str]
    root: Path
    folder: Path
    """Of this test."""
    pace: float = 0.02
    host: str = "127.0.0.1"
    protocol: str = "tcp"
    environ: dict[str, str] = field(default_factory=dict)
    """Of everything that is started."""
    port: int = 0
    number: int = 0
    actors: list[Actor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.port = find_port(self.host)

    @property
    def address(self) -> str:
        return f"{self.protocol}://{self.host}:{self.port}"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def make_request(self, *arguments: str, **changes: Any) -> dict[str, Any]:
        """What a process is to play."""
        return {
            "arguments": ["fleet", *arguments], "environ": self.environ, "pace": self.pace, "fingerprint": {},
            "commit": "c" * 40, "network": None,
        } | changes  # fmt: skip

    def play(self, *arguments: str, busy: Path = Path("/dev/null"), **changes: Any) -> Actor:
        self.number += 1
        output = self.folder / f"output-{self.number}-{arguments[0]}"
        request = self.make_request(*arguments, output=str(output), busy=str(busy), **changes)
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        actor = Actor(int(self.server.stdout.readline()), output)
        self.actors.append(actor)
        return actor

    def scheduler(self) -> Actor:
        actor = self.play("scheduler", "--scheduler", self.address)
        wait_for(self.is_listening, actor.said)
        return actor

    def is_listening(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), 1).close()
        except OSError:
            return False
        return True

    def place(self, label: str) -> Path:
        """A machine's own disk."""
        return self.folder / "machines" / label

    def machine(self, label: str, **changes: Any) -> Actor:
        place = self.place(label)
        (place / "tmp").mkdir(parents=True, exist_ok=True)
        environ = self.environ | {"TMPDIR": str(place / "tmp")} | changes.pop("environ", {})
        arguments = ("worker", "--scheduler", self.address, "--label", label, "--folder", str(place))
        return self.play(*arguments, busy=place / "busy", environ=environ, **changes)

    def write_aebench(self, folder: Path, label: str) -> None:
        """Write an `aebench` that plays the worker which it is asked for; `label` may have shell variables."""
        place = self.place(label)
        request = self.make_request(
            "--folder", str(place), busy=str(place / "busy"), environ=self.environ | {"TMPDIR": str(place)}
        )
        request["arguments"].remove("fleet")
        environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "HOME": str(self.root), STAGE_VARIABLE: str(self.root)}
        quoted = json.dumps(request).replace('"', '\\"')
        write_script(
            folder / "aebench",
            *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
            f'mkdir -p "{place}"',
            f'exec {shlex.quote(sys.executable)} -m faults.fleet_server "{quoted}" "$@"',
        )

    def home(self, *more: str, resume: bool = False, **changes: Any) -> Actor:
        resumes = resume and (self.out / "fleet.json").exists()
        what = ("--resume",) if resumes else SWEEP
        arguments = ("start", "--scheduler", self.address, *what, "--out", str(self.out), *more)
        return self.play(*arguments, **changes)

    def rows_at(self, label: str) -> Counter[tuple[str, int]]:
        """The rows that a machine has, over all of its sweeps."""
        return count_rows(list(self.place(label).glob("sweeps/*/journal.jsonl")))

    def rows_at_home(self, label: str) -> Counter[tuple[str, int]]:
        return count_rows(list((self.out / "machines" / label).glob("journal.jsonl")))

    def wait_for_rows(self, label: str, count: int) -> None:
        wait_for(lambda: self.rows_at_home(label).total() >= count, self.describe)

    def wait_for_run(self, label: str, count: int = 1) -> None:
        """Wait until a machine has so many rows, or a case runs there."""
        wait_for(lambda: (self.place(label) / "busy").exists() or self.rows_at(label).total() >= count, self.describe)

    def wait_for_starts(self, label: str, count: int) -> None:
        """Wait until so many cases have begun on a machine."""
        busy = self.place(label) / "busy"
        wait_for(lambda: busy.exists() and busy.read_text().count("\n") >= count, self.describe)

    def describe(self) -> str:
        return "\n".join(f"--- {each.output.name}\n{each.said()}" for each in self.actors)

    def check(self, *labels: str, cases: int = CASES) -> None:
        """Nothing is lost, nothing doubled, nothing ran side by side: every case once on every machine."""
        for label in labels:
            there, here = self.rows_at(label), self.rows_at_home(label)
            assert there == here, self.describe()
            assert set(here.values()) == {1}
            assert len({case for case, _ in here}) == cases
            assert {attempt for _, attempt in here} == {1}, "a finished case was run again"
            self.check_alone(label)
        assert "Traceback" not in self.describe(), self.describe()

    def check_alone(self, label: str) -> None:
        assert not (self.place(label) / "busy.overlap").exists(), "two cases ran side by side"

    def check_that_the_workers_have_ended(self) -> None:
        """Of workers that home started: the scheduler alone is left."""
        scheduler = self.actors[0].pid
        wait_for(lambda: processes(self.root, but=self.server.pid) == [scheduler], self.describe)

    def end(self) -> None:
        """Stop the fleet from outside; nothing of it runs on."""
        for actor in self.actors:
            actor.send(signal.SIGCONT)
            if "-start" in actor.output.name:
                actor.kill()
        self.play("stop", "--scheduler", self.address).code()
        for actor in self.actors:
            if "-worker" in actor.output.name:  # one that was not connected did not hear that it is to end
                actor.send(signal.SIGTERM)
        left = left_over(self.root, but=self.server.pid)
        assert left == [], self.describe()


def write_script(path: Path, *lines: str) -> None:
    """Write what a shell runs."""
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)


def count_rows(journals: list[Path]) -> Counter[tuple[str, int]]:
    rows: Counter[tuple[str, int]] = Counter()
    for path in journals:
        with contextlib.suppress(OSError):
            rows.update((each.case.case_id, each.attempt) for each in journal.read_journal(path).outcomes)
    return rows


@contextlib.contextmanager
def opened(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A server of actors; what is left of them in the end is killed."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DASK_")},
        "HOME": str(root),  # a person's own settings of Dask are not what is tested
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        STAGE_VARIABLE: str(root),
    }
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "GITHUB_ACTIONS", "AEBENCH_COMMAND"):
        environment.pop(name, None)
    command = (sys.executable, "-m", "faults.fleet_server")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=root
    ) as server:
        try:
            yield server
        finally:
            for pid in processes(root, but=server.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            server.kill()
