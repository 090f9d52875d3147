"""What a person may choose of a report: nothing here changes what was measured."""

from dataclasses import dataclass

from bench.report.thresholds import THRESHOLDS


@dataclass(frozen=True)
class Choices:
    """How tables and pages are drawn; the CSV files and the exports always tell of every epoch."""

    without_noisy: bool = False
    """Leave epochs out of the medians whose noise indicators were out of bounds."""
    thresholds: tuple[float, ...] = THRESHOLDS
    """Values of `val_bce` until which epochs and seconds are told, nats a pixel."""


AS_THEY_ARE = Choices()
