"""The three charts of the page: what is drawn of whom."""

import re
from typing import Any

import pytest
import scripted
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.report import charts, figures
from bench.report.figures import Plot
from bench.report.files import make_all_result_rows
from bench.report.ways import list_phase_peaks, list_ways
from bench.results.journal_lines import Outcome


def draw(*outcomes: Outcome) -> dict[str, Plot]:
    """As SVG alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "render_png", lambda _figure: b"png")
        ways = list_ways(outcomes, make_all_result_rows(outcomes, scripted.header()))
        return {plot.name: plot for plot in charts.draw_charts(ways)}


DRAWERS = dict(zip(charts.NAMES, (charts._draw_quality, charts._draw_batch_sizes, charts._draw_memory), strict=True))


def draw_alone(name: str, *outcomes: Outcome) -> Plot:
    """One of the three, as SVG alone: drawing takes most of these tests' time."""
    with pytest.MonkeyPatch.context() as patch, figures.apply_style():
        patch.setattr(figures, "render_png", lambda _figure: b"png")
        ways = list_ways(outcomes, make_all_result_rows(outcomes, scripted.header()))
        plot = DRAWERS[name](charts._make_lines(ways))
    assert plot is not None
    return plot


def ended(**changes: Any) -> Outcome:
    return scripted.outcome(scripted.case(**changes))


def list_titles(plot: Plot) -> list[str]:
    return re.findall(r"<title>([^<]*)", plot.svg)


def test_quality_time_and_memory_are_drawn_and_every_way_is_named() -> None:
    found = draw(ended(), ended(loop="xla"), ended(model="deep"))
    assert tuple(found) == charts.NAMES
    for plot in found.values():
        assert {"basic fit", "basic xla", "deep"} <= set(re.findall(r">([^<]+)</text>", plot.svg))


def test_checkpoints_say_what_they_are_where_the_pointer_rests() -> None:
    titles = list_titles(draw_alone("quality", ended()))
    assert "basic · batch 4: 1 epoch in 2.5 s, bce 0.2000" in titles
    assert "Pareto front: nothing here was both quicker and better" in titles


def test_batch_sizes_are_the_steps_of_their_axis() -> None:
    plot = draw_alone("batch-sizes", ended(), ended(batch_size=8))
    assert {"4", "8"} <= set(re.findall(r">([^<]+)</text>", plot.svg))
    assert any(title.startswith("basic · batch 8: 0.30") for title in list_titles(plot))


def test_the_front_has_the_points_that_nothing_beats() -> None:
    assert charts._find_front([(1, 0.5), (2, 0.3), (1.5, 0.6), (3, 0.3), (4, 0.1)]) == [(1, 0.5), (2, 0.3), (4, 0.1)]


def test_memory_is_stacked_by_phase_up_to_the_peak_and_without_the_harness_own_work() -> None:
    phases = (
        scripted.phase("import", peak_mib=700.0),
        scripted.phase("data", peak_mib=650.0),
        scripted.phase("build", peak_mib=720.0),
        scripted.phase("evaluation", peak_mib=2000.0),
    )
    outcome = scripted.outcome(scripted.case(checkpoints=(3,)), phases=phases)
    assert list_phase_peaks(outcome) == {
        "imports": 700.0,
        "data": 700.0,
        "build": 720.0,
        "first epoch": 720.0,
        "training": 720.0,
    }
    svg = draw_alone("memory-by-phase", outcome).svg
    assert ">603</text>" in svg, "the peak of the row"
    assert "2000" not in svg


def test_where_the_system_keeps_one_peak_it_is_one_bar() -> None:
    phases = tuple(scripted.phase(name, peak_mib=None) for name in ("import", "data"))
    outcome = scripted.outcome(phases=phases)
    bare = tuple(each.__class__(**{**vars(each), "phases": ()}) for each in outcome.checkpoints)
    found = draw_alone("memory-by-phase", outcome.model_copy(update={"checkpoints": bare}))
    assert "basic · batch 4, training: +604, to 604 MiB" in list_titles(found)


def test_a_case_whose_first_process_failed_is_drawn_by_the_one_that_ended_well() -> None:
    found = draw(scripted.outcome(reached=0, phases=()), ended(repeat=1))
    assert tuple(found) == charts.NAMES
    assert any(", imports: +" in title for title in list_titles(found["memory-by-phase"]))


def test_long_names_that_begin_alike_are_drawn_apart() -> None:
    quick, slow = "a_model_whose_name_is_of_one_x", "a_model_whose_name_is_of_two_x"
    times = {quick: 0.5, slow: 2.0}
    outcomes = [
        scripted.outcome(
            scripted.strange_case(model=model, loop=loop),
            epochs=tuple(scripted.epoch(n, train_s=seconds + (loop == "xla")) for n in range(1, 5)),
        )
        for model, seconds in times.items()
        for loop in ("fit", "xla")
    ]
    plot = draw_alone("batch-sizes", *outcomes)
    assert [title for title in list_titles(plot) if "per epoch" in title] == [
        "a_model_whose_n…_one_x fit · batch 4: 0.5 s per epoch",
        "a_model_whose_n…_one_x xla · batch 4: 1.5 s per epoch",
        "a_model_whose_n…_two_x fit · batch 4: 2 s per epoch",
        "a_model_whose_n…_two_x xla · batch 4: 3 s per epoch",
    ]


def test_labels_that_would_be_the_same_are_numbered_and_short_enough() -> None:
    long = [f"a_model_whose_long_name_is_number_{n}_of_thirty" for n in (1, 2, 3)]
    assert charts._shorten_labels(["basic", "sparse_batch_sum xla mixed_bfloat16", *long, "模", "型"]) == [
        "basic",
        "sparse_batch_sum xla mixe…",
        "a_model_whose_l…_of_thirty",
        "a_model_whose_l…_of_thirty (2)",
        "a_model_whose_l…_of_thirty (3)",
        "?",
        "? (2)",
    ]


def test_what_imports_take_is_one_number_where_all_models_agree() -> None:
    alone = draw_alone("memory-by-phase", ended()).caption
    assert alone.startswith("Imports alone take 50 % of the peak. ")
    larger = scripted.outcome(scripted.case(model="deep"), phases=(scripted.phase("import", peak_mib=400.0),))
    both = draw_alone("memory-by-phase", ended(), larger).caption
    assert both.startswith("Imports alone take 50 to 66 % of the peak. ")


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw() == {}
    assert draw(scripted.outcome(reached=0)) == {}


def test_of_very_many_ways_only_so_many_are_drawn_as_have_room() -> None:
    names = [f"model_{number}" for number in range(charts.MOST_LINES + 3)]
    plot = draw_alone("batch-sizes", *(scripted.outcome(scripted.strange_case(model=name)) for name in names))
    assert len(re.findall(r">model_\d+</text>", plot.svg)) == charts.MOST_LINES


ODD = [0.0, 5e-324, 1e-300, 0.5, 9e11, 1e12, 1e13, 1e308, -1.0]


@given(st.sampled_from(ODD), st.sampled_from(ODD), st.sampled_from(ODD))
@settings(max_examples=12)
def test_no_number_of_a_strange_journal_ends_the_drawing(seconds: float, bce: float, mib: float) -> None:
    epochs = tuple(scripted.epoch(n, train_s=seconds) for n in range(1, 5))
    phases = tuple(scripted.phase(name, peak_mib=mib) for name in ("import", "build"))
    fields: dict[str, Any] = {"evaluations": (scripted.evaluation(4, val_bce=bce),), "phases": phases}
    draw(scripted.outcome(scripted.case(checkpoints=(1, 4)), epochs=epochs, **fields))


def test_names_of_a_strange_journal_are_text() -> None:
    names = ["<script>alert(1)</script>", '" onload="x', "$x^2$ \\frac", "模型 🙂"]
    found = draw(*(scripted.outcome(scripted.strange_case(model=name, loop=name)) for name in names))
    assert tuple(found) == charts.NAMES
    for plot in found.values():
        assert "$x^2$ \\frac" in plot.svg
        assert "&lt;script&gt;" in plot.svg
        assert "<script" not in plot.svg
        assert not re.search(r'<[^>]* onload="', plot.svg)
