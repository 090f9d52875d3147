from dataclasses import fields, replace
from typing import get_args

import pytest
from scripted import NOISY, QUIET

from bench.host.noise import Interval, find_noise
from bench.worker.paired_protocol import GO, PROTOCOL, STOP, PairedEvent, PairedJob, combine_intervals

SPOKEN = {
    3: {
        "PairedJob": "backend batch_size data images learning_rate loop model optimizer precision protocol seed "
        "threads val_images",
        "HelloEvent": "kind protocol root",
        "ReadyEvent": "kind params peak_rss_method",
        "TurnEvent": "cpu_s kind noise rss_mib train_loss val_loss wall_s",
        "DoneEvent": "anon_mib kind peak_rss_mib",
        "BrokenEvent": "error kind",
        "Interval": "cores cpu_pressure_percent involuntary_per_s io_pressure_percent load major_faults "
        "memory_pressure_percent mhz minor_faults other_cores own_cores seconds steal_percent voluntary_per_s",
    }
}
"""What each protocol's messages are made of: an older revision takes nothing else."""


def test_messages_of_another_form_are_another_protocol() -> None:
    messages = (PairedJob, *get_args(PairedEvent), Interval)
    assert SPOKEN[PROTOCOL] == {
        each.__name__: " ".join(sorted(field.name for field in fields(each))) for each in messages
    }
    assert (GO, STOP) == (b"go\n", b"stop\n")


def test_rates_are_of_all_seconds_and_counts_of_all_intervals() -> None:
    found = combine_intervals(
        [replace(QUIET, seconds=1.0, other_cores=0.0), replace(QUIET, seconds=3.0, other_cores=1.0)]
    )
    assert (found.seconds, found.other_cores) == (4.0, 0.75)
    assert found.minor_faults == 20


def test_what_one_interval_does_not_know_is_not_known() -> None:
    found = combine_intervals([QUIET, replace(QUIET, steal_percent=None, major_faults=None)])
    assert (found.steal_percent, found.major_faults) == (None, None)
    assert found.own_cores == pytest.approx(QUIET.own_cores)


def test_ticks_that_a_single_turn_has_too_few_of_are_judged_over_four() -> None:
    brief = replace(QUIET, seconds=0.18, other_cores=0.3)
    idle = replace(brief, other_cores=0.0)
    assert find_noise(brief) == ("other-load",)
    assert find_noise(combine_intervals([brief, idle, idle, idle])) == ()
    assert find_noise(combine_intervals([replace(NOISY, seconds=0.18), idle, idle, idle])) != ()
