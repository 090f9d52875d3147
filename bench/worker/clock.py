"""The stopwatch that every training loop drives: it splits each epoch, reads memory between the parts, sends events.

An epoch runs begin → validation begins → validation ends → end. Readings are taken between two time stamps of their
own, so that no part contains them. What the loop itself does from an epoch's end to the next one's begin (Keras resets
its metrics there) is in no epoch's part, but in the time of a checkpoint. Clocks: `perf_counter_ns` (monotonic) for
wall time, `process_time_ns` for CPU time.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.host.energy import EnergyMeter
from bench.host.noise import (
    MachineCounters,
    ProcessCounters,
    measure_interval,
    read_machine_counters,
    read_process_counters,
)
from bench.worker.device import Device
from bench.worker.memory import Meter, Reading, count_threads
from bench.worker.protocol import CheckpointEvent, EpochEvent, Event, PhaseEvent, PhaseName

_NS = 1e9
_TRAINING: tuple[PhaseName, ...] = ("first_epoch", "train", "val", "harness")


class Diverged(Exception):
    """A loss is not finite, so there is nothing left to train."""


@dataclass
class _Phase:
    """What was measured of a phase each time that it ran."""

    last: Reading
    seconds: float = 0.0
    peak: float = 0.0
    anon: float | None = None
    """Largest at its end, over all times."""

    def add(self, seconds: float, reading: Reading) -> None:
        self.seconds += seconds
        self.peak = max(self.peak, reading.peak)
        if reading.anon is not None:
            self.anon = max(self.anon or 0.0, reading.anon)
        self.last = reading


@dataclass
class Clock:
    """Phases before training are ended with `end_phase`; then the loop drives it as its `EpochClock`.

    ``remember`` is called with the epoch count at each of ``checkpoints`` (ascending); its time and memory count as the
    harness' own.
    """

    started_ns: int
    checkpoints: tuple[int, ...]
    remember: Callable[[int], None]
    send: Callable[[Event], None]
    meter: Meter
    device: Device = field(default_factory=Device)
    energy: EnergyMeter = field(default_factory=EnergyMeter)
    _phases: dict[PhaseName, _Phase] = field(default_factory=dict)
    _epoch: int = 0
    _stamps: list[int] = field(default_factory=list)
    _harness_ns: int = 0
    _epoch_harness_ns: int = 0
    _between_ns: int = 0
    """The harness' own work between the last epoch and this one."""
    _cpu_ns: int = 0
    _energy_j: float | None = None
    """Of the epoch's training."""
    _counters: tuple[MachineCounters, ProcessCounters] = field(
        default_factory=lambda: (read_machine_counters(), read_process_counters())
    )

    def end_phase(self, name: PhaseName, since_ns: int) -> int:
        """End a phase of the set-up that began at ``since_ns`` and send it; returns where the next one begins."""
        now = time.perf_counter_ns()
        self._add(name, (now - since_ns) / _NS)
        self.send(self._describe(name))
        resumed = time.perf_counter_ns()
        self._harness_ns += resumed - now
        return resumed

    def begin_epoch(self) -> None:
        """See `bench.worker.loops.EpochClock`."""
        self.device.synchronise()
        began = time.perf_counter_ns()
        self._epoch += 1
        # What the loop prepares before the first epoch (its copy of the data, say) is memory of training; between
        # epochs nothing runs but the harness.
        self._add("first_epoch" if self._epoch == 1 else "harness", self._between_ns / _NS)
        self.energy.begin()
        self._counters = (read_machine_counters(), read_process_counters())
        self._cpu_ns = time.process_time_ns()
        self._stamps = [time.perf_counter_ns()]
        self._harness_ns += self._stamps[0] - began
        self._epoch_harness_ns = 0
        self._between_ns += self._stamps[0] - began

    def begin_validation(self) -> None:
        """See `bench.worker.loops.EpochClock`."""
        self._end_part("first_epoch" if self._epoch == 1 else "train")

    def end_validation(self) -> None:
        """See `bench.worker.loops.EpochClock`."""
        self._end_part("val")

    def end_epoch(self, losses: Mapping[str, float]) -> None:
        """See `bench.worker.loops.EpochClock`. Raises `Diverged` where a loss is not finite."""
        self.device.synchronise()
        now = time.perf_counter_ns()
        cpu_ns = time.process_time_ns() - self._cpu_ns
        noise = measure_interval(self._counters[0], read_machine_counters(), self._counters[1], read_process_counters())
        self._stamps.append(now)
        reading = self._add("val", 0.0)
        train, val, callback = (self._compute_part_seconds(part) for part in range(3))
        measured_ns = time.perf_counter_ns()
        self._epoch_harness_ns += measured_ns - now
        event = EpochEvent(
            epoch=self._epoch,
            train_s=train,
            val_s=val,
            callback_s=callback,
            harness_s=self._epoch_harness_ns / _NS,
            between_s=self._between_ns / _NS,
            cpu_s=cpu_ns / _NS,
            train_loss=keep_finite(losses["loss"]),
            val_loss=keep_finite(losses["val_loss"]),
            rss_mib=reading.rss,
            energy_j=self._energy_j,
            noise=noise,
        )
        self.send(event)
        if event.train_loss is None or event.val_loss is None:
            raise Diverged(f"epoch {self._epoch}: loss {losses['loss']}, validation loss {losses['val_loss']}")
        if self._epoch in self.checkpoints:
            self._send_checkpoint(now)
        ended_ns = time.perf_counter_ns()
        self._harness_ns += ended_ns - now
        self._between_ns = ended_ns - measured_ns

    def _end_part(self, name: PhaseName) -> None:
        """End the epoch's part that is running, read memory and of training its energy, begin the next part."""
        self.device.synchronise()
        now = time.perf_counter_ns()
        seconds = (now - self._stamps[-1]) / _NS
        if name != "val":
            self._energy_j = self.energy.end(seconds)
        self._add(name, seconds)
        resumed = time.perf_counter_ns()
        self._stamps += [now, resumed]
        self._epoch_harness_ns += resumed - now
        self._harness_ns += resumed - now

    def _compute_part_seconds(self, part: int) -> float:
        """Seconds of the epoch's part, 0 train, 1 validation, 2 callbacks, without the readings between them."""
        return (self._stamps[2 * part + 1] - self._stamps[2 * part]) / _NS

    def _add(self, name: PhaseName, seconds: float) -> Reading:
        reading = self.meter.end_phase()
        self.device.observe()
        self._phases.setdefault(name, _Phase(reading)).add(seconds, reading)
        return reading

    def _describe(self, name: PhaseName) -> PhaseEvent:
        phase = self._phases[name]
        return PhaseEvent(
            name=name,
            seconds=phase.seconds,
            peak_mib=phase.peak if self.meter.per_phase else None,
            rss_mib=phase.last.rss,
            anon_mib=phase.last.anon,
            file_mib=phase.last.file,
        )

    def _send_checkpoint(self, ended_ns: int) -> None:
        """Send and remember the checkpoint that was reached at ``ended_ns``."""
        measured = {name: phase for name, phase in self._phases.items() if name != "harness"}
        anon = [phase.anon for phase in measured.values() if phase.anon is not None]
        self.send(
            CheckpointEvent(
                epochs=self._epoch,
                at_s=(ended_ns - self.started_ns) / _NS,
                wall_s=(ended_ns - self.started_ns - self._harness_ns) / _NS,
                cpu_s=time.process_time_ns() / _NS,
                peak_rss_mib=max(phase.peak for phase in measured.values()),
                peak_anon_mib=max(anon, default=None),
                peak_gpu_mib=self.device.read_peak_mib(),
                peak_gpu_used_mib=self.device.used_mib,
                threads_alive=count_threads(),
                phases=tuple(self._describe(name) for name in _TRAINING if name in self._phases),
            )
        )
        self.remember(self._epoch)


def keep_finite(value: float) -> float | None:
    """The value as a plain float; None where it is NaN or infinite."""
    return float(value) if math.isfinite(value) else None
