"""The roofline is drawn from the rows, and left out where they hold too little."""

from typing import Any

import pytest
import scripted

from bench.report import figures, roofline
from bench.report.roofline import draw_roofline
from bench.results.schema import ResultRow

MEASURED: dict[str, Any] = {
    "flops_per_sample": 250_880.0,
    "step_bytes": 1e6,
    "gflop_per_s": 12.0,
    "peak_gflop_per_s": 200.0,
    "peak_gb_per_s": 20.0,
}


def row(**changes: Any) -> ResultRow:
    return scripted.result_row(**MEASURED | changes)


def test_models_ways_and_peaks_are_named() -> None:
    rows = [row(), row(model="deep", loop="xla", case_id="other"), row(backend="jax", case_id="third")]
    plot = draw_roofline(rows)
    assert plot is not None
    for name in ("basic fit", "deep xla", "basic jax fit", "float32: 200 GFLOP/s, 20 GB/s"):
        assert name in plot.svg
    assert plot.png.startswith(b"\x89PNG")


@pytest.fixture
def _unprinted(monkeypatch: pytest.MonkeyPatch) -> None:
    """No PNG, which takes most of the time, for those who only read."""
    monkeypatch.setattr(figures, "render_png", lambda _figure: b"")


@pytest.mark.usefixtures("_unprinted")
def test_each_precision_has_a_roofline() -> None:
    plot = draw_roofline([row(), row(precision="mixed_bfloat16", case_id="other", peak_gflop_per_s=400.0)])
    assert plot is not None
    assert "mixed_bfloat16: 400 GFLOP/s" in plot.svg
    assert "float32: 200 GFLOP/s" in plot.svg


@pytest.mark.parametrize("missing", MEASURED)
def test_a_case_that_lacks_a_figure_is_left_out(missing: str) -> None:
    assert draw_roofline([row(**{missing: None})]) is None


@pytest.mark.parametrize("figure", MEASURED)
@pytest.mark.parametrize("odd", [0.0, -1.0, 5e-324, 1e-300, 1e300, float("inf"), float("nan")])
def test_a_case_with_a_figure_that_no_machine_measured_is_left_out(figure: str, odd: float) -> None:
    assert draw_roofline([row().model_copy(update={figure: odd})]) is None


@pytest.mark.usefixtures("_unprinted")
@pytest.mark.parametrize("far", [roofline._LEAST, roofline._MOST])
def test_figures_far_apart_are_drawn(far: float) -> None:
    plot = draw_roofline([row(), *(row(case_id=figure, model=figure, **{figure: far}) for figure in MEASURED)])
    assert plot is not None
    assert all(figure in plot.svg for figure in MEASURED)


@pytest.mark.usefixtures("_unprinted")
def test_the_same_rows_give_the_same_bytes() -> None:
    first, second = draw_roofline([row()]), draw_roofline([row()])
    assert first is not None
    assert first == second
