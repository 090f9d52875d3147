"""What a person can choose about a report; nothing here changes what was measured."""

from dataclasses import dataclass

from bench.report.thresholds import THRESHOLDS


@dataclass(frozen=True)
class Choices:
    """How report.md and report.html are written; the CSV files and the exports always include every epoch."""

    without_noisy: bool = False
    """Leave noisy epochs out of the medians."""
    thresholds: tuple[float, ...] = THRESHOLDS
    """Values of `val_bce` until which epochs and seconds are reported, in nats per pixel."""


AS_THEY_ARE = Choices()
