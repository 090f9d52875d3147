"""What the reference reports say of a case, and where they say nothing."""

from dataclasses import replace

import pytest
import scripted

from bench.plan.estimate import estimate_seconds
from bench.plan.forecast import Forecast, Reference, forecast_case, read_references

MEASURED = Reference("a", "basic", "tensorflow", "fit", "float32", 100, 1_000, 4.0, 1.0, 800.0)
CASE = scripted.case(batch_size=100, checkpoints=(10,))


def test_a_measured_case_is_foretold_as_the_median_of_its_processes() -> None:
    others = [replace(MEASURED, epoch_s=seconds) for seconds in (2.0, 9.0)]
    forecast = forecast_case(CASE, 1_000, [MEASURED, *others])
    assert forecast == Forecast(4.0, 2.0, 800.0)
    assert forecast.compute_total(10) == 24.0


def test_between_two_numbers_of_images_all_is_interpolated() -> None:
    more = replace(MEASURED, train_samples=3_000, start_s=6.0, epoch_s=3.0, peak_rss_mib=1_000.0)
    assert forecast_case(CASE, 2_000, [MEASURED, more]) == Forecast(5.0, 2.0, 900.0)


def test_between_two_batch_sizes_time_goes_with_steps_and_memory_with_the_batch() -> None:
    larger = replace(MEASURED, batch_size=300, epoch_s=0.5, peak_rss_mib=1_000.0)
    forecast = forecast_case(scripted.case(batch_size=150), 1_000, [MEASURED, larger])
    assert forecast is not None
    assert forecast.epoch_s == pytest.approx(0.75)
    assert forecast.peak_rss_mib == pytest.approx(850.0)


@pytest.mark.parametrize(
    "changes", [{"batch_size": 50}, {"batch_size": 400}, {"loop": "xla"}, {"backend": "jax"}, {"threads": 1}]
)
def test_beyond_what_was_measured_there_is_no_forecast(changes: dict[str, object]) -> None:
    larger = replace(MEASURED, batch_size=300)
    assert forecast_case(scripted.case(**{"batch_size": 100, **changes}), 1_000, [MEASURED, larger]) is None
    assert forecast_case(CASE, 999, [MEASURED, larger]) is None


def test_what_comes_along_foretells_every_case_that_it_has_and_the_estimate_is_the_same() -> None:
    for reference in read_references():
        axes = {name: getattr(reference, name) for name in ("model", "backend", "loop", "precision", "batch_size")}
        case = scripted.case(**axes, checkpoints=(5,))
        forecast = forecast_case(case, reference.train_samples)
        assert forecast is not None
        assert estimate_seconds(case, reference.train_samples, 1) == forecast.compute_total(5)
