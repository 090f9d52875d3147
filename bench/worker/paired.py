"""Entry of a process that trains in turns with another one: job and tokens come in, events go out.

The loops are those of a sweep, unchanged: they drive a `TurnClock` as they drive the clock of a case, and it lets each
of their epochs begin only when this process has the token. The order of messages is `bench.worker.paired_protocol`'s.
"""

import contextlib
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import bench
from bench.host.noise import (
    MachineCounters,
    ProcessCounters,
    measure_interval,
    read_machine_counters,
    read_process_counters,
)
from bench.worker.backends import load_backend
from bench.worker.channel import open_pipe
from bench.worker.clock import keep_finite
from bench.worker.device import Device
from bench.worker.inputs import Array, Examples
from bench.worker.memory import Meter, Reading
from bench.worker.paired_protocol import (
    GO,
    PROTOCOL,
    BrokenEvent,
    DoneEvent,
    HelloEvent,
    PairedEvent,
    PairedJob,
    ReadyEvent,
    TurnEvent,
)
from bench.worker.protocol import to_line
from bench.worker.training import build_model, count_parameters, import_parts, prepare_examples

_NS = 1e9
_ENDLESS = 1_000_000_000
"""Epochs that a loop is asked for; `Stopped` ends it."""

Send = Callable[[PairedEvent], None]


class Stopped(Exception):
    """The parent sent STOP, or is gone."""


@dataclass
class TurnClock:
    """An `EpochClock` that waits for a token before each epoch, and times its training alone."""

    tokens: BinaryIO
    send: Send
    meter: Meter
    device: Device = field(default_factory=Device)
    pending: PairedEvent | None = None
    """Sent right before the next wait: by then the loop has done all that it does between two epochs."""
    readings: list[Reading] = field(default_factory=list)
    _before: tuple[MachineCounters, ProcessCounters, int, int] | None = None
    _fields: dict[str, Any] = field(default_factory=dict)

    def begin_epoch(self) -> None:
        """Send what is pending, which says that this process is idle, and wait for its turn. Raises `Stopped`."""
        self.device.synchronise()
        if self.pending is not None:
            self.send(self.pending)
        if self.tokens.readline() != GO:
            raise Stopped
        self._before = read_machine_counters(), read_process_counters(), time.process_time_ns(), time.perf_counter_ns()

    def begin_validation(self) -> None:
        """The turn ends here."""
        self.device.synchronise()
        wall_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        assert self._before is not None  # noqa: S101 - a loop begins an epoch before it ends one
        machine, process, cpu_began, wall_began = self._before
        self._fields = {
            "wall_s": (wall_ns - wall_began) / _NS,
            "cpu_s": (cpu_ns - cpu_began) / _NS,
            "noise": measure_interval(machine, read_machine_counters(), process, read_process_counters()),
        }

    def end_validation(self) -> None:
        """Validation belongs to no turn."""

    def end_epoch(self, losses: Mapping[str, float]) -> None:
        """Keep what the turn gave until the loop is idle; a loss that is not finite is None."""
        reading = self.meter.end_phase()
        self.readings.append(reading)
        self.pending = TurnEvent(
            train_loss=keep_finite(losses["loss"]),
            val_loss=keep_finite(losses["val_loss"]),
            rss_mib=reading.rss,
            **self._fields,
        )

    def end(self) -> DoneEvent:
        """The last event: the process' memory over all turns."""
        readings = [*self.readings, self.meter.end_phase()]
        anon = [reading.anon for reading in readings if reading.anon is not None]
        return DoneEvent(peak_rss_mib=max(each.peak for each in readings), anon_mib=max(anon, default=None))


def take_turns(tokens: BinaryIO, send: Send) -> int:
    """Follow the protocol to its end and return the exit code."""
    meter = Meter()
    send(HelloEvent(protocol=PROTOCOL, root=str(Path(bench.__file__).resolve().parent.parent)))
    line = tokens.readline()
    if not line:
        return 0  # the parent wanted to know the protocol, no more
    try:
        job = PairedJob(**json.loads(line))
        clock = TurnClock(tokens, send, meter)
        try:
            _train(job, clock)
        except Stopped:
            send(clock.end())
    except Exception as error:  # noqa: BLE001 - a model file may raise anything, and the parent receives all of it
        traceback.print_exc()
        send(BrokenEvent(error=f"{type(error).__name__}: {error}"[:1000]))
        return 1
    return 0


def _train(job: PairedJob, clock: TurnClock) -> None:
    keras, model_file, loop = import_parts(job)
    backend = load_backend(job.backend)
    backend.limit_threads(job.threads)
    clock.device = backend.find_device()
    training, validation = prepare_examples(job, model_file, loop)
    model = build_model(job, keras, model_file, loop).model
    clock.pending = ReadyEvent(params=count_parameters(model), peak_rss_method=clock.meter.method)
    loop.train(
        model,
        take_images(training, job.images),
        take_images(validation, job.val_images),
        epochs=_ENDLESS,
        batch_size=job.batch_size,
        clock=clock,
    )


def take_images(examples: Examples, count: int) -> Examples:
    """The first so many images, from the start again where there are too few."""
    chosen = np.arange(count) % len(examples.x)
    x: Array = examples.x[chosen]
    return Examples(x, x if examples.y is examples.x else examples.y[chosen])


def _main() -> int:
    out = open_pipe()

    def send(event: PairedEvent) -> None:
        with contextlib.suppress(BrokenPipeError):  # a parent that is gone: the next read ends this process
            out.write(to_line(event))

    return take_turns(sys.stdin.buffer, send)


if __name__ == "__main__":
    sys.exit(_main())
