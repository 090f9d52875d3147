"""What the reference reports say of a case, and where they say nothing."""

from dataclasses import replace

import pytest
import scripted

from bench.plan import forecast
from bench.plan.forecast import (
    Forecast,
    Machine,
    MeasuredProcess,
    forecast_case,
    forecast_cases,
    foretell_machines,
    list_measured_on,
    read_measured,
)

MEASURED = MeasuredProcess(
    report="a",
    cpu_model="Scripted CPU",
    cores=2.0,
    gflop_per_s=200.0,
    gb_per_s=40.0,
    model="basic",
    backend="tensorflow",
    loop="fit",
    precision="float32",
    optimizer="adam",
    batch_size=100,
    train_samples=1_000,
    start_s=4.0,
    epoch_s=1.0,
    peak_rss_mib=800.0,
)
CASE = scripted.case(batch_size=100, checkpoints=(10,))


def test_a_measured_case_is_foretold_as_the_median_of_its_processes() -> None:
    others = [replace(MEASURED, epoch_s=seconds) for seconds in (2.0, 9.0)]
    found = forecast_case(CASE, 1_000, [MEASURED, *others])
    assert found == Forecast(4.0, 2.0, 800.0)
    assert found.compute_total(10) == 24.0


def test_between_two_numbers_of_images_all_is_interpolated() -> None:
    more = replace(MEASURED, train_samples=3_000, start_s=6.0, epoch_s=3.0, peak_rss_mib=1_000.0)
    assert forecast_case(CASE, 2_000, [MEASURED, more]) == Forecast(5.0, 2.0, 900.0)


def test_between_two_batch_sizes_time_goes_with_steps_and_memory_with_the_batch() -> None:
    larger = replace(MEASURED, batch_size=300, epoch_s=0.5, peak_rss_mib=1_000.0)
    found = forecast_case(scripted.case(batch_size=150), 1_000, [MEASURED, larger])
    assert found is not None
    assert found.epoch_s == pytest.approx(0.75)
    assert found.peak_rss_mib == pytest.approx(850.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_size": 50},
        {"batch_size": 400},
        {"loop": "xla"},
        {"backend": "jax"},
        {"optimizer": "adadelta"},
        {"threads": 1},
    ],
)
def test_beyond_what_was_measured_there_is_no_forecast(changes: dict[str, object]) -> None:
    larger = replace(MEASURED, batch_size=300)
    assert forecast_case(scripted.case(**{"batch_size": 100, **changes}), 1_000, [MEASURED, larger]) is None
    assert forecast_case(CASE, 999, [MEASURED, larger]) is None


def test_a_forecast_is_as_good_as_the_worst_of_its_references_was_foretold() -> None:
    good, bad = (replace(MEASURED, time_percent=percent, peak_percent=percent / 10) for percent in (5.0, 20.0))
    assert forecast_case(CASE, 1_000, [good, MEASURED, bad]) == Forecast(4.0, 1.0, 800.0, 20.0, 2.0)
    more = replace(bad, train_samples=3_000)
    between = forecast_case(CASE, 2_000, [good, more])
    assert between is not None
    assert between.time_percent is between.peak_percent is None


def test_how_far_off_a_forecast_was_is_in_percent_of_what_was_measured() -> None:
    assert Forecast(5.0, 1.0, 900.0).compute_errors(10, 20.0, 1_000.0) == pytest.approx((25.0, 10.0))
    assert Forecast(5.0, 1.0, 900.0).compute_errors(10, None, None) == (None, None)


def test_what_comes_along_foretells_every_case_that_it_has() -> None:
    for reference in read_measured():
        axes = ("model", "backend", "loop", "precision", "optimizer", "batch_size")
        case = scripted.case(**{name: getattr(reference, name) for name in axes}, checkpoints=(5,))
        there = Machine(reference.cpu_model, reference.cores)
        unknown = scripted.case(model="basic", loop="unheard-of")
        found = forecast_cases([case, unknown], reference.train_samples, there)
        assert list(found) == [case.name]
        assert not found[case.name].is_scaled


def test_of_several_machines_the_one_with_the_most_lines_foretells(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(MEASURED, cpu_model="Other CPU", epoch_s=5.0)
    monkeypatch.setattr(forecast, "read_measured", lambda: (other, MEASURED, MEASURED))
    found = forecast_case(CASE, 1_000)
    assert found is not None
    assert found.epoch_s == 1.0
    monkeypatch.setattr(forecast, "read_measured", tuple)
    assert forecast_case(CASE, 1_000) is None


def test_a_machine_without_reports_is_foretold_by_others_scaled_by_the_reference_kernels() -> None:
    other = replace(MEASURED, cpu_model="Other CPU", epoch_s=5.0)
    measured = [other, MEASURED, MEASURED]
    slow = Machine("Slow CPU", 4.0, gflop_per_s=100.0, gb_per_s=20.0)
    assert forecast_case(CASE, 1_000, measured, slow) == Forecast(8.0, 2.0, 800.0, is_scaled=True)
    unknown = Machine("Slow CPU", 4.0)
    assert forecast_case(CASE, 1_000, measured, unknown) == Forecast(4.0, 1.0, 800.0, is_scaled=True)
    own = forecast_case(CASE, 1_000, measured, Machine("Other CPU", 2.0, gflop_per_s=1.0, gb_per_s=1.0))
    assert own is not None
    assert (own.epoch_s, own.is_scaled) == (5.0, False)
    deep = scripted.case(model="deep", batch_size=100, checkpoints=(10,))
    more = [*measured, replace(MEASURED, model="deep", peak_rss_mib=900.0)]
    fast = Machine("Other CPU", 2.0, 400.0, 80.0)
    assert forecast_case(deep, 1_000, more, fast) == Forecast(2.0, 0.5, 900.0, is_scaled=True)


def test_of_other_machines_that_with_kernels_most_alike_foretells() -> None:
    like = replace(MEASURED, cpu_model="Old CPU", gflop_per_s=100.0, gb_per_s=20.0, epoch_s=3.0)
    measured = [MEASURED, MEASURED, like]
    slow, fast = (Machine("Another CPU", 2.0, gflop, gflop / 5) for gflop in (90.0, 300.0))
    by_like, by_most = (forecast_case(CASE, 1_000, measured, machine) for machine in (slow, fast))
    assert by_like is not None
    assert by_most is not None
    assert by_like.epoch_s == pytest.approx(3.0 / 0.9)
    assert by_most.epoch_s == pytest.approx(1.0 / 1.5)
    # Its product is twice and its triad half of MEASURED's, which is not alike, though their mean is the same.
    odd = replace(MEASURED, cpu_model="Odd CPU", gflop_per_s=400.0, gb_per_s=20.0, epoch_s=7.0)
    unknown = replace(MEASURED, cpu_model="Unknown CPU", gflop_per_s=None, epoch_s=9.0)
    same = forecast_case(CASE, 1_000, [odd, odd, unknown, unknown, MEASURED], Machine("Another CPU", 2.0, 200.0, 40.0))
    assert same is not None
    assert same.epoch_s == 1.0


def test_how_far_off_the_kernels_are_from_machine_to_machine_is_known_of_two() -> None:
    fast = replace(MEASURED, cpu_model="Fast CPU", gflop_per_s=800.0, gb_per_s=160.0, epoch_s=0.2)
    # A quarter of 1 s where 0.2 s were measured, and four times 0.2 s where 1 s was.
    assert foretell_machines([MEASURED, fast]) == [pytest.approx((25.0, 0.0)), pytest.approx((20.0, 0.0))][::-1]
    assert foretell_machines([MEASURED, fast], probe=True) == []
    assert foretell_machines([MEASURED]) == []


def test_a_machine_is_foretold_from_another_scaled_by_the_probes_model() -> None:
    deep = replace(MEASURED, model="deep", epoch_s=2.0, peak_rss_mib=900.0)
    basic_there = replace(MEASURED, cpu_model="Other CPU", epoch_s=3.0)
    deep_there = replace(deep, cpu_model="Other CPU", epoch_s=5.0, peak_rss_mib=1_000.0)
    # There all is foretold to take 3 times as long: 6 s, not 5; here a third: 5/3 s, not 2.
    found = foretell_machines([MEASURED, deep, basic_there, deep_there], probe=True)
    assert found == [pytest.approx((100 / 6, 100 / 9)), pytest.approx((20.0, 10.0))]
    assert foretell_machines([MEASURED, deep], probe=True) == []
    assert foretell_machines([MEASURED, deep, deep_there], probe=True) == []


def test_only_machines_with_the_same_processor_and_cores_are_foretold_from() -> None:
    first = read_measured()[0]
    assert first in list_measured_on(first.cpu_model, first.cores)
    assert list_measured_on(first.cpu_model, first.cores + 1) == []
    assert list_measured_on("another", first.cores) == []
