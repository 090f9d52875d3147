from dataclasses import replace

import pytest
from scripted import DISTURBED, QUIET

from bench.duel import together
from bench.noise import flags


def test_rates_are_of_all_seconds_and_counts_of_all_intervals() -> None:
    found = together([replace(QUIET, seconds=1.0, other_cores=0.0), replace(QUIET, seconds=3.0, other_cores=1.0)])
    assert (found.seconds, found.other_cores) == (4.0, 0.75)
    assert found.minor_faults == 20


def test_what_one_interval_does_not_know_is_not_known() -> None:
    found = together([QUIET, replace(QUIET, steal_percent=None, major_faults=None)])
    assert (found.steal_percent, found.major_faults) == (None, None)
    assert found.own_cores == pytest.approx(QUIET.own_cores)


def test_ticks_that_a_single_unit_has_too_few_of_are_judged_over_four() -> None:
    brief = replace(QUIET, seconds=0.18, other_cores=0.3)
    idle = replace(brief, other_cores=0.0)
    assert flags(brief) == ("other-load",)
    assert flags(together([brief, idle, idle, idle])) == ()
    assert flags(together([replace(DISTURBED, seconds=0.18), idle, idle, idle])) != ()
