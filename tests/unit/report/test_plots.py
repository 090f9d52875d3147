"""A model's curves: what is drawn of whom, and that it can be put into a page."""

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import scripted
from hypothesis import given, settings, strategies
from matplotlib.figure import Figure

from bench.report import figures, files, plots
from bench.report.figures import Plot
from bench.report.plots import Run
from bench.results.epochs import Epochs
from bench.results.journal_lines import Outcome, Timeline

TIMELINE = Timeline(interval_s=0.5, samples=tuple((0.5 * place, 300.0 + place) for place in range(30)))
KINDS = ["basic-loss", "basic-time", "basic-memory"]
DPI = 30


def run(**changes: Any) -> Run:
    """A case of eight epochs with checkpoints after two and eight."""
    of = scripted.case(**{"checkpoints": (2, 8)} | {name: changes.pop(name) for name in list(changes) if name in _CASE})
    outcome = scripted.outcome(of, timeline=TIMELINE, **changes)
    return Run(outcome, files.make_all_result_rows([outcome], scripted.header())[-1])


_CASE = ("batch_size", "loop", "backend", "precision", "repeat", "checkpoints")


@cache
def drawn(*runs: Run) -> dict[str, Plot]:
    """As SVG alone, and the same runs only once: drawing takes most of these tests' time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "render_png", lambda _figure: b"")
        return {plot.name: plot for plot in plots.draw_model("basic", runs)}


@cache
def drawn_alone(draw: Callable[[str, list[Any]], Plot | None], *runs: Run) -> Plot:
    """One kind alone, as SVG."""
    with pytest.MonkeyPatch.context() as patch, figures.apply_style():
        patch.setattr(figures, "render_png", lambda _figure: b"")
        plot = draw("basic", plots._group_runs(runs)[: plots.MOST_SERIES])
    assert plot is not None
    return plot


def printed(*runs: Run) -> dict[str, Plot]:
    """As PNG alone, and coarse."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(figures._RC, "savefig.dpi", DPI)
        patch.setattr(figures, "render_svg", lambda *_: "")
        return {plot.name: plot for plot in plots.draw_model("basic", runs)}


def texts(svg: str) -> list[str]:
    return [text or "" for text in re.findall(r"<text[^>]*>([^<]*)", svg)]


def test_losses_times_and_memory_are_drawn_twice_each_and_the_same_again() -> None:
    found = plots.draw_model("basic", [run()])
    assert [plot.name for plot in found] == KINDS
    for plot in found:
        ET.fromstring(plot.svg.replace("xlink:", ""))  # noqa: S314 - ours
        assert plot.svg == drawn(run())[plot.name].svg
        assert matplotlib.image.imread(io.BytesIO(plot.png)).shape[1] == plots.WIDTH_IN * 160


def test_every_batch_size_has_a_colour_and_a_name_in_one_picture() -> None:
    found = drawn(run(), run(batch_size=8))
    for plot in found.values():
        assert {"batch 4", "batch 8"} <= set(texts(plot.svg))
        assert "var(--series-1)" in plot.svg
        assert "var(--series-2)" in plot.svg
        assert "var(--series-3)" not in plot.svg


def test_loops_are_named_where_they_differ_and_processes_have_one_colour() -> None:
    svg = drawn_alone(plots._draw_losses, run(), run(loop="xla"), run(repeat=1)).svg
    assert {"fit", "xla"} <= set(texts(svg))
    assert "var(--series-3)" not in svg


def test_more_cases_than_colours_are_not_drawn() -> None:
    runs = [run(batch_size=size) for size in range(1, 12)]
    svg = drawn_alone(plots._draw_losses, *runs).svg
    assert plots.count_left_out(runs) == 3
    assert "batch 8" in texts(svg)
    assert "batch 9" not in texts(svg)


def test_no_name_is_above_another() -> None:
    """All runs are alike, so that their lines end in one place."""
    svg = drawn_alone(plots._draw_losses, *(run(batch_size=size) for size in range(1, 9))).svg
    heights = sorted(float(y) for y in re.findall(r'y="([\d.]+)">batch \d', svg))
    assert len(heights) == 8
    assert all(above + 8 < below for above, below in pairwise(heights))


def test_a_line_is_known_by_its_marker_and_its_name() -> None:
    series = plots._group_runs([run(batch_size=size) for size in range(1, 9)])
    assert len({each.look.marker for each in series}) == 8
    assert len({each.look.colour for each in series}) == 8


def test_a_curve_has_a_marker_at_each_checkpoint() -> None:
    svg = drawn(run())["basic-loss"].svg
    (dots,) = re.findall(r"<g><title>batch 4</title>(.*?)</g>", svg)
    assert dots.count("translate(") == 2


def test_what_lies_under_the_pointer_is_named() -> None:
    titles = re.findall(r"<title>([^<]*)", drawn(run(), run(batch_size=8))["basic-memory"].svg)
    assert "batch 8, imports: 4.1 s, peak 300 MiB" in titles


def test_a_phase_whose_peak_is_unknown_is_named_without_it() -> None:
    """The system may keep one peak for the whole process."""
    phases = tuple(scripted.phase(name, 2.0, peak_mib=None) for name in ("import", "data"))
    titles = re.findall(r"<title>([^<]*)", drawn(run(phases=phases))["basic-memory"].svg)
    assert "batch 4, imports: 2 s" in titles


def test_memory_is_drawn_until_training_ends_and_no_further() -> None:
    """The last checkpoint is at 19 seconds; what the harness does later takes up to 900 MiB."""
    samples = ((1.0, 300.0), (19.0, 600.0), (19.5, 900.0))
    ended = run().outcome.model_copy(update={"timeline": Timeline(interval_s=0.5, samples=samples)})
    with figures.apply_style():
        axes = Figure().subplots()
        assert plots._draw_memory_of(axes, Run(ended, None), "black", 100) == [(1.0, 300.0), (19.0, 600.0)]
        failed = ended.model_copy(update={"checkpoints": ended.checkpoints[:1]})
        assert plots._draw_memory_of(axes, Run(failed, None), "black", 100)[-1] == (19.5, 900.0)


def test_noisy_epochs_have_a_bar() -> None:
    epochs = tuple(scripted.epoch(n, **({"noise": scripted.NOISY} if n == 3 else {})) for n in range(1, 9))
    quiet, noisy = (drawn_alone(plots._draw_times, each).svg for each in (run(), run(epochs=epochs)))
    assert noisy.count("var(--warning)") == quiet.count("var(--warning)") + 1


def test_hundreds_of_noisy_epochs_stay_small() -> None:
    epochs = tuple(scripted.epoch(n, noise=scripted.NOISY) for n in range(1, 501))
    assert sum(len(plot.svg) for plot in drawn(run(checkpoints=(50, 500), epochs=epochs)).values()) < 120_000


def test_the_first_epoch_does_not_scale_the_axis_and_is_in_the_caption() -> None:
    plot = drawn(run())["basic-time"]
    assert "The first epoch traces and compiles: 2.5 s" in plot.caption
    assert max(float(text) for text in texts(plot.svg) if re.fullmatch(r"0\.\d+", text)) < 0.5


def test_phases_are_named_in_the_order_of_a_process_life() -> None:
    assert drawn(run())["basic-memory"].caption.endswith("Below: imports, data, build, first epoch, training.")


def test_training_lasts_until_the_last_checkpoint() -> None:
    later = (scripted.phase("evaluation", 3.0), scripted.phase("peaks", 2.0))
    spans = plots._arrange_phases(run(phases=(*scripted.PHASES, *later)).outcome)
    assert [(name, round(begin, 6), round(seconds, 6)) for _, (name, begin, seconds, _) in spans] == [
        ("imports", 0.0, 4.1),
        ("data", 4.1, 0.2),
        ("build", 4.3, 0.7),
        ("first epoch", 5.0, 1.0),
        ("training", 6.0, 13.0),
    ], "evaluation and peaks are the harness' own work"


def test_a_case_that_failed_at_once_has_no_curves() -> None:
    nothing = scripted.outcome(reached=0, setup=None, phases=())
    assert drawn(Run(nothing, None)) == {}
    assert drawn() == {}


@pytest.mark.parametrize("reached", [1, 2, 3])
def test_a_case_that_failed_later_has_the_curves_of_what_it_reached(reached: int) -> None:
    outcome = scripted.outcome(scripted.case(checkpoints=(2, 8)), reached=reached)
    assert {"basic-loss", "basic-time"} <= set(drawn(Run(outcome, None)))


def test_numbers_that_no_axis_can_show_are_left_out() -> None:
    odd: list[Any] = [None, 1e300, float("inf"), float("nan"), -1.0, 0.0, 0.5]
    epochs = tuple(
        replace(scripted.epoch(n + 1), train_loss=value, val_loss=value, train_s=0.0 if value is None else value)
        for n, value in enumerate(odd)
    )
    timeline = Timeline(interval_s=1.0, samples=((float("nan"), 1.0), (1.0, float("inf")), (1e300, 2.0), (2.0, 3.0)))
    outcome = scripted.outcome(epochs=epochs).model_copy(update={"timeline": timeline})
    assert list(printed(Run(outcome, None))) == KINDS


ODD = [0.0, 5e-324, 1e-300, 0.5, 9e11, 1e12, 1e13, 1e308, -1.0, -1e12, float("inf"), float("nan")]


@given(data=strategies.data())
@settings(max_examples=4)
def test_no_number_of_a_strange_journal_ends_the_drawing(data: strategies.DataObject) -> None:
    def some(most: int) -> list[float]:
        return data.draw(strategies.lists(strategies.sampled_from(ODD), max_size=most))

    epochs = tuple(
        replace(scripted.epoch(n), train_s=value, train_loss=value, val_loss=-value)
        for n, value in enumerate(some(4), 1)
    )
    timeline = Timeline(interval_s=1.0, samples=tuple(zip(some(3), some(3), strict=False)))
    names: Any = ("interpreter", "data", "build", "evaluation")
    phases = tuple(scripted.phase(name, value, value) for name, value in zip(names, some(4), strict=False))
    update = {"epochs": Epochs(epochs), "timeline": timeline, "phases": phases}
    printed(Run(scripted.outcome().model_copy(update=update), scripted.result_row()))


def test_losses_far_apart_have_a_scale_in_steps_with_plain_numbers() -> None:
    epochs = tuple(scripted.epoch(n, train_loss=1.0 / n, val_loss=0.9 / n) for n in range(1, 9))
    labels = texts(drawn_alone(plots._draw_losses, run(epochs=epochs)).svg)
    assert "0.2" in labels
    assert not any("$" in label for label in labels)


def test_ids_are_unique_over_all_figures_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [run(), run(batch_size=8)]
    monkeypatch.setattr(figures, "render_png", lambda _figure: b"")
    found = [plot.svg for plot in (*drawn(*runs).values(), *plots.draw_model("deep", runs))]
    ids = [name for svg in found for name in re.findall(r' id="([^"]+)"', svg)]
    assert len(set(ids)) == len(ids)
    for svg in found:
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)) <= set(re.findall(r' id="([^"]+)"', svg))


def strange(name: str) -> Outcome:
    return scripted.outcome(scripted.strange_case(model=name, loop=name, backend=name), timeline=TIMELINE)


NAMES = ["<script>alert(1)</script>", '" onload="x', "$x^2$ \\frac", "模型 🙂", "_hidden", "../.."]


def test_names_of_a_strange_journal_are_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "render_png", lambda _figure: b"")
    model = " ".join(NAMES)
    other = Run(scripted.outcome(scripted.strange_case(model=model), timeline=TIMELINE), None)
    found = plots.draw_model(model, [*(Run(strange(name), None) for name in NAMES), other])
    assert len(found) == len(KINDS)
    for plot in found:
        elements = list(ET.fromstring(plot.svg.replace("xlink:", "")).iter())  # noqa: S314 - ours
        assert not any(element.tag == "script" or "onload" in element.attrib for element in elements)
        assert any("$x^2$ \\frac" in (element.text or "") for element in elements), "it is drawn as it is"
        assert re.fullmatch(r"[A-Za-z0-9_-]+", plot.name)


def test_strange_names_are_printed_too() -> None:
    assert list(printed(*(Run(strange(name), None) for name in NAMES))) == KINDS


def test_of_very_many_epochs_those_are_drawn_that_can_be_seen() -> None:
    values = [float(n % 7) for n in range(100_000)]
    values[54_321], values[77_777], values[10] = 90.0, -90.0, float("nan")
    places = plots._thin_out(values, plots.MOST_POINTS)
    assert len(places) <= plots.MOST_POINTS + 2
    assert {0, 54_321, 77_777, 99_999} <= set(places)
    assert 10 not in places
    assert list(places) == sorted(places)
    assert list(plots._thin_out(values[:500], plots.MOST_POINTS)) == list(range(500))


def test_a_figure_of_many_processes_has_no_more_points_than_one_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plots._limit_points(2) == plots.MOST_POINTS
    assert all(plots._limit_points(curves) % 2 == 0 for curves in range(1_000))
    assert 200 * plots._limit_points(200) <= plots.MOST_IN_A_FIGURE
    epochs = tuple(scripted.epoch(n) for n in range(1, 201))
    first = run(checkpoints=(200,), epochs=epochs)
    again = [first.outcome.case.model_copy(update={"repeat": repeat}) for repeat in range(120)]
    runs = [replace(first, outcome=first.outcome.model_copy(update={"case": case})) for case in again]
    points: list[int] = []

    def count(figure: Figure, *_names: str) -> str:
        points.append(sum(len(np.asarray(line.get_xdata())) for line in figure.axes[0].lines))
        return ""

    monkeypatch.setattr(figures, "render_png", lambda _figure: b"")
    monkeypatch.setattr(figures, "render_svg", count)
    for of in (runs[:2], runs[:40], runs):
        plots._draw_losses("basic", plots._group_runs(of))
    checkpoints, name = [2, 40, 120], 4
    assert points == [checkpoints[0] + 2 * 2 * 200 + name, checkpoints[1] + plots.MOST_IN_A_FIGURE + name, points[2]]
    assert points[2] < 1.1 * plots.MOST_IN_A_FIGURE
