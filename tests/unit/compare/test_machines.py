"""Machines side by side: ratios, their intervals, ranks, and what may not be compared."""

import string
from typing import Any

import pytest
import scripted
from hypothesis import given
from hypothesis import strategies as st
from unit.machines import narrow, of

from bench.compare.cases import Machine, add_labels
from bench.compare.machines import MachineComparison, compare_machine, compare_machines
from bench.compare.pairs import CasePair
from bench.results.reader import Row


def approx(value: float) -> Any:
    """A number that equals its neighbours, in any field."""
    return pytest.approx(value)


def row(model: str = "basic", epochs: int = 50, seconds: float | None = 1.0, **changes: Any) -> Row:
    """A case at a checkpoint; its interval reaches ten percent to each side."""
    repeat = changes.get("repeat", 0)
    measured: dict[str, Any] = {
        "case_id": scripted.case(model=model, repeat=repeat).case_id,
        "model": model,
        "epochs": epochs,
        **scripted.times(seconds, reach=1.1),
        "val_bce": 0.1,
        "peak_anon_mib": 400.0,
        "peak_rss_mib": 800.0,
    }
    return narrow(scripted.result_row(**measured | changes))


def other(*rows: Row, **fingerprint: Any) -> Machine:
    return of(*rows, **{"machine_id": "mffff0000", "cpu_model": "Other CPU"} | fingerprint)


def only_pair(compared: MachineComparison) -> CasePair:
    [each] = compared.pairs
    return each


# --- one machine -----------------------------------------------------------------------------------------------------


def test_a_case_has_the_time_of_its_last_checkpoint_with_its_interval() -> None:
    [case] = of(row(epochs=5, seconds=9.0), row(epochs=50, seconds=2.0)).cases.values()
    assert case.speed is not None
    assert (case.speed.quiet, case.speed.processes) == (approx(2.0), 1)
    assert (case.speed.low, case.speed.high) == (approx(2.0 / 1.1), approx(2.0 * 1.1))


def test_of_several_processes_the_process_is_the_unit() -> None:
    [case] = of(*(row(seconds=each, repeat=number) for number, each in enumerate((1.0, 1.2, 1.1)))).cases.values()
    assert [each.epochs for each in case.checkpoints] == [50]
    assert case.speed is not None
    assert case.speed.processes == 3
    assert case.speed.quiet == approx((1.0 * 1.2 * 1.1) ** (1 / 3))


def test_a_case_that_was_never_timed_has_no_speed() -> None:
    [case] = of(row(epochs=1, seconds=None)).cases.values()
    assert case.speed is None
    assert len(case.checkpoints) == 1


def test_a_process_that_failed_is_listed_and_not_measured() -> None:
    [case] = of(row(), row(repeat=1, status="killed", seconds=None)).cases.values()
    assert case.speed is not None
    assert case.speed.processes == 1
    assert case.failures == ("killed at 50 epochs",)
    [case] = of(row(epochs=1), row(epochs=50, status="oom"), row(epochs=100, status="oom")).cases.values()
    assert case.failures == ("oom at 50 epochs",)


def list_labels(*machines: Machine) -> list[str]:
    return [each.label for each in add_labels(machines)]


def test_machines_are_named_by_the_first_of_processor_cores_and_report_that_distinguishes_them() -> None:
    assert list_labels(of(row()), other(row())) == ["Scripted", "Other"]
    assert list_labels(of(row()), of(row(), cpu_limit=4.0)) == ["scripted-2c", "scripted-4c"]
    assert list_labels(of(row(), source="before"), of(row(), source="the 2nd")) == ["before", "the-2nd"]


def test_reports_of_one_name_are_named_by_the_beginning_of_their_environments_id_and_numbered() -> None:
    assert list_labels(of(row()), other(row()), of(row())) == [
        "scripted-2c-ea1b2", "other-2c-effff", "scripted-2c-ea1b2#2",
    ]  # fmt: skip


def test_ids_that_begin_alike_are_distinguished_by_more_characters() -> None:
    machines = add_labels([of(row()), of(row(), environment_id="ea1b2ffff")])
    assert [each.label for each in machines] == ["scripted-2c-ea1b2c3d4", "scripted-2c-ea1b2ffff"]


def test_a_label_has_only_letters_digits_dots_and_hyphens() -> None:
    [each] = add_labels([of(row(), environment_id="=<b>|`$", cpu_model="=cmd()|<script>\x1b[31m")])
    assert set(each.label) <= set(string.ascii_letters + string.digits + ".-")


FILE_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), max_size=80)


@given(FILE_NAMES, FILE_NAMES)
def test_whatever_a_report_is_called_its_label_is_plain(one: str, two: str) -> None:
    for each in add_labels([of(row(), source=f"x{one}"), of(row(), source=f"y{two}")]):
        assert each.label
        assert set(each.label) <= set(string.ascii_letters + string.digits + "._-#")


# --- a machine compared with the reference --------------------------------------------------------------------------


def test_a_case_is_called_faster_only_where_that_holds_for_all_cases_together() -> None:
    names = ("basic", "deep", "sparse", "convolutional")
    reference = of(*(row(each, seconds=1.2) for each in names))
    alone = compare_machine(reference, other(row("basic", seconds=1.0)))
    assert only_case(alone, "basic").clearly == "faster"
    among = compare_machine(reference, other(row("basic"), *(row(each, seconds=1.2) for each in names[1:])))
    found = only_case(among, "basic")
    assert found.clearly is None
    assert found.speed is not None
    assert found.speed.low > 1  # its own interval is that of one case
    assert (among.count_clear("faster"), among.count_clear("slower")) == (0, 0)
    slow = compare_machine(reference, other(*(row(each, seconds=9.0) for each in names)))
    assert (slow.count_clear("faster"), slow.count_clear("slower")) == (0, 4)


def only_case(compared: MachineComparison, model: str) -> CasePair:
    return next(each for each in compared.pairs if each.row.model == model)


def test_half_the_seconds_are_twice_the_speed() -> None:
    compared = compare_machine(
        of(row(seconds=2.0)), other(row(seconds=1.0, peak_anon_mib=300.0, peak_rss_mib=900.0, val_bce=0.12))
    )
    each = only_pair(compared)
    assert each.speed is not None
    assert each.speed.value == approx(2.0)
    assert each.anon == approx(0.75)
    assert each.rss == approx(1.125)
    assert each.loss == approx(0.02)
    assert compared.memory == approx(0.75)
    assert [group.state for group in (compared.time, compared.space, compared.losses)] == ["yes", "yes", "yes"]


@given(st.floats(0.001, 1000), st.floats(0.001, 1000))
def test_two_machines_swapped_are_each_others_inverse(one: float, two: float) -> None:
    there, back = only_pair(compare_machine(of(row(seconds=one)), other(row(seconds=two)))).speed, None
    back = only_pair(compare_machine(other(row(seconds=two)), of(row(seconds=one)))).speed
    assert there is not None
    assert back is not None
    assert there.value * back.value == approx(1)
    assert there.high * back.low == approx(1)


def test_a_report_compared_with_itself_shows_no_difference() -> None:
    compared = compare_machine(of(row(), row("deep")), of(row(), row("deep")))
    assert compared.speed is not None
    assert compared.speed.value == approx(1.0)
    assert compared.differences == ()
    assert all(each.loss == 0 for each in compared.pairs)
    assert compared.time.reasons == ("the same machine at another moment",)


def test_times_are_those_of_whole_runs_and_memory_that_of_the_last_common_checkpoint() -> None:
    reference = of(row(epochs=50, seconds=3.0, peak_anon_mib=100.0), row(epochs=100, seconds=9.0, noisy_epochs=50))
    compared = compare_machine(reference, other(row(epochs=50, peak_anon_mib=150.0)))
    each = only_pair(compared)
    assert each.timed is not None
    assert [point.epochs for point in each.timed] == [100, 50]
    assert each.speed is not None
    assert each.speed.value == approx(9.0)
    assert compared.time.reasons == (
        "50 % of the reference's epochs were noisy",
        "after different numbers of epochs in 1 case",
    )
    assert each.sized is not None
    assert [point.epochs for point in each.sized] == [50, 50]
    assert each.anon == approx(1.5)
    assert compared.space.state == "yes"


def test_without_a_common_checkpoint_each_sides_last_is_taken_and_that_is_said() -> None:
    compared = compare_machine(of(row(epochs=40, seconds=2.0)), other(row(epochs=50)))
    each = only_pair(compared)
    assert each.sized is not None
    assert [point.epochs for point in each.sized] == [40, 50]
    assert each.speed is not None
    for group in (compared.time, compared.space):
        assert "after different numbers of epochs in 1 case" in group.reasons


def test_the_time_from_start_to_end_is_compared_at_the_last_common_checkpoint() -> None:
    reference = of(row(epochs=50, total_s=9.0), row(epochs=100, total_s=15.0))
    assert only_pair(compare_machine(reference, other(row(epochs=50, total_s=6.0)))).end_to_end == approx(1.5)
    assert only_pair(compare_machine(reference, other(row(epochs=60, total_s=6.0)))).end_to_end is None
    assert only_pair(compare_machine(reference, other(row(epochs=50, dataset_digest="e" * 64)))).end_to_end is None
    two = of(row(total_s=8.0), row("deep", total_s=8.0))
    assert compare_machine(two, other(row(total_s=2.0), row("deep", total_s=8.0))).end_to_end == approx(2.0)


def test_losses_are_compared_after_the_same_epochs_or_not_at_all() -> None:
    compared = compare_machine(of(row(epochs=40, val_bce=0.2)), other(row(epochs=50, val_bce=0.1)))
    assert only_pair(compared).loss is None
    assert compared.losses.state == "no"
    both = compare_machine(
        of(row(epochs=40), row(epochs=50)), other(row(epochs=40, val_bce=0.3), row(epochs=60, val_bce=0.1))
    )
    assert only_pair(both).loss == approx(0.2)


def test_without_anonymous_memory_the_resident_is_taken_with_care() -> None:
    compared = compare_machine(of(row(peak_anon_mib=None)), other(row(peak_rss_mib=400.0)))
    assert compared.memory == approx(0.5)
    assert "only peaks of resident memory, mapped files included" in compared.space.reasons


def test_each_case_is_compared_by_anonymous_memory_if_both_have_it_and_else_by_resident_memory() -> None:
    reference = of(row(peak_anon_mib=400.0, peak_rss_mib=800.0), row("deep", peak_anon_mib=None, peak_rss_mib=800.0))
    machine = other(row(peak_anon_mib=200.0, peak_rss_mib=400.0), row("deep", peak_anon_mib=500.0, peak_rss_mib=1600.0))
    compared = compare_machine(reference, machine)
    assert [each.memory for each in compared.pairs] == [approx(0.5), approx(2.0)]
    assert compared.memory == approx(1.0)
    assert "peaks of resident memory, mapped files included, in 1 of 2 cases" in compared.space.reasons


def test_cases_that_only_one_side_has_are_listed() -> None:
    compared = compare_machine(of(row(), row("deep")), other(row(), row("sparse")))
    [lacking], [alone] = compared.unmatched
    assert lacking.startswith("deep.")
    assert alone.startswith("sparse.")
    assert compared.speed is not None
    assert compared.speed.cases == 1


def test_cases_that_failed_are_listed_and_not_compared() -> None:
    compared = compare_machine(of(row(), row("deep")), other(row(status="oom", seconds=None), row("deep")))
    assert [(name.partition(".")[0], why) for name, why in compared.failures] == [("basic", "oom at 50 epochs")]
    assert [each.row.model for each in compared.common] == ["deep"]
    assert compared.unmatched == ((), ())


# --- what can be compared --------------------------------------------------------------------------------------------


def test_other_data_refuse_times_and_losses_and_say_so() -> None:
    compared = compare_machine(of(row()), other(row(dataset_digest="e" * 64)))
    each = only_pair(compared)
    assert (each.speed, each.loss) == (None, None)
    assert each.anon is not None
    assert (compared.time.state, compared.losses.state, compared.space.state) == ("no", "no", "yes")
    assert compared.time.reasons == compared.losses.reasons == ("other data under the same name",)
    assert compared.is_comparable


def test_other_numbers_of_images_refuse_memory_too() -> None:
    compared = compare_machine(of(row()), other(row(dataset_digest="e" * 64, train_samples=4_000)))
    assert (compared.time.state, compared.losses.state, compared.space.state) == ("no", "no", "no")
    assert not compared.is_comparable
    assert compared.rank is None


def test_other_data_in_some_cases_leave_the_others() -> None:
    compared = compare_machine(of(row(), row("deep")), other(row(), row("deep", dataset_digest="e" * 64)))
    assert compared.speed is not None
    assert compared.speed.cases == 1
    assert compared.time.state == "with care"
    assert compared.time.reasons == ("other data under the same name in 1 of 2 cases",)


@pytest.mark.parametrize(
    ("changes", "reason", "groups"),
    [
        ({"keras": "3.12.0"}, "Keras 3.12.0, not 3.13.2", ("time", "space", "losses")),
        ({"keras": None}, "Keras absent, not 3.13.2", ("time", "space", "losses")),
        ({"tensorflow": "2.18.0"}, "TensorFlow 2.18.0, not 2.20.0", ("time", "space", "losses")),
        ({"aebench": "0.2.0"}, "aebench 0.2.0, not 0.1.0", ("time", "space", "losses")),
        ({"env_flags": "XLA_FLAGS=x"}, "settings XLA_FLAGS=x, not none", ("time",)),
        ({"gpu": "NVIDIA H100"}, "memory of GPUs is not compared", ("space",)),
    ],
)
def test_what_differs_in_the_fingerprints_is_to_be_borne_in_mind(
    changes: dict[str, Any], reason: str, groups: tuple[str, ...]
) -> None:
    compared = compare_machine(of(row()), other(row(), **changes))
    for name in ("time", "space", "losses"):
        assert (reason in getattr(compared, name).reasons) == (name in groups)
        assert getattr(compared, name).state == ("with care" if name in groups else "yes")
    assert {name for name, _, _ in compared.differences} == {"cpu_model", *changes}


def test_a_backend_that_no_case_used_makes_no_difference() -> None:
    compared = compare_machine(of(row()), other(row(), jax="0.4.35"))
    assert compared.time.state == "yes"
    assert ("jax", None, "0.4.35") in compared.differences


def test_noise_on_either_side_is_said() -> None:
    noisy, quiet = row(noisy_epochs=20), row(noisy_epochs=0)
    assert "40 % of its epochs were noisy" in compare_machine(of(quiet), other(noisy)).time.reasons
    assert "40 % of the reference's epochs were noisy" in compare_machine(of(noisy), other(quiet)).time.reasons
    assert compare_machine(of(quiet), other(row(noisy_epochs=4))).time.state == "yes"
    unsteady = compare_machine(of(quiet), other(row(steady="no")))
    assert unsteady.time.reasons == ("its times were not steady in 1 of 1 case",)


def test_peaks_that_were_read_by_another_method_are_named() -> None:
    compared = compare_machine(of(row()), other(row(peak_rss_method="psutil, since the process' start")))
    assert "peaks read by different methods" in compared.space.reasons


def test_nothing_in_common_is_not_comparable() -> None:
    compared = compare_machine(of(row()), other(row("deep")))
    assert not compared.is_comparable
    assert compared.time.reasons == ("no case is in both reports",)


def test_a_case_that_failed_on_one_side_is_not_called_absent() -> None:
    compared = compare_machine(of(row()), other(row(status="failed")))
    assert compared.time.reasons == ("no case succeeded on both",)


# --- ranks -----------------------------------------------------------------------------------------------------------


def test_machines_are_ranked_by_speed_the_reference_among_them() -> None:
    machines = add_labels(
        [
            of(row(seconds=2.0)),
            other(row(seconds=4.0), machine_id="slow"),
            other(row("deep"), machine_id="lost"),
            other(row(seconds=1.0), machine_id="fast"),
            other(row(seconds=1.5), machine_id="mild"),
        ]
    )
    comparison = compare_machines(machines[0], machines[1:])
    ranks = {each.machine.machine_id: each.rank for each in comparison.others}
    assert ranks == {"fast": 1, "mild": 2, "slow": 4, "lost": None}
    assert comparison.rank == 3
    assert [each.machine.machine_id for each in comparison.others] == ["fast", "mild", "slow", "lost"]
    assert comparison.is_comparable


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=12))
def test_every_rank_is_one_more_than_the_number_of_faster_machines(times: list[float]) -> None:
    reference = of(row(seconds=1.0))
    comparison = compare_machines(reference, [other(row(seconds=each)) for each in times])
    speeds = [each.speed.value for each in comparison.others if each.speed]
    for compared in comparison.others:
        assert compared.speed is not None
        faster = sum(speed > compared.speed.value for speed in (*speeds, 1.0))
        assert compared.rank == 1 + faster
    assert comparison.rank == 1 + sum(speed > 1 for speed in speeds)
