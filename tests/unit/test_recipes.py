"""docs/recipes.md: every recipe runs as it stands, on a report of a made-up sweep, and says what is true of it.

So does the Python in README.md.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scripted

from bench.results.journal_lines import Outcome

ROOT = Path(__file__).parents[2]
TEXT, README = (ROOT.joinpath(name).read_text(encoding="utf-8") for name in ("docs/recipes.md", "README.md"))
BLOCKS, README_BLOCKS = (re.findall(r"```python\n(.*?)```", text, re.DOTALL) for text in (TEXT, README))
PREPARED, *RECIPES = BLOCKS
TITLES = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
SHORT, EPOCHS = 4, 8
FURTHER = 2
SECONDS = {"fit": 0.4, "xla": 0.1}


def ended(model: str, loop: str, batch_size: int, repeat: int, factor: float) -> Outcome:
    """A run with two checkpoints, a further one with the first of them alone; `deep` fails once after the first one."""
    planned = (SHORT,) if repeat == FURTHER else (SHORT, EPOCHS)
    case = scripted.case(model=model, loop=loop, batch_size=batch_size, repeat=repeat, checkpoints=planned)
    last = SHORT if (model, batch_size, repeat) == ("deep", 256, 1) else case.run_epochs
    noisy = (model, loop, batch_size, repeat) == ("basic", "fit", 128, 0)
    times = [factor * seconds for seconds in (2.0, *(SECONDS[loop] + n / 10_000 for n in range(2, last + 1)))]
    epochs = tuple(scripted.epoch(n, train_s=seconds) for n, seconds in enumerate(times, start=1))
    checkpoints = tuple(
        replace(scripted.checkpoint(n), wall_s=5 + sum(times[:n]), peak_rss_mib=600.0 + batch_size - (EPOCHS - n))
        for n in case.checkpoints
        if n <= last
    )
    if noisy:
        epochs = (*epochs[:4], replace(epochs[4], noise=scripted.NOISY), *epochs[5:])
    return scripted.outcome(case, reached=last, epochs=epochs, checkpoints=checkpoints)


def sweep(factor: float = 1.0) -> list[Outcome]:
    cases = [("basic", "fit"), ("basic", "xla"), ("deep", "fit")]
    return [
        ended(model, loop, batch_size, repeat, factor)
        for model, loop in cases
        for batch_size in (128, 256)
        for repeat in ((0, 1, FURTHER) if model == "basic" else (0, 1))
    ]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the first block of the page defines, in a folder with the reports that the pages name."""
    root = tmp_path_factory.mktemp("recipes")
    planned = tuple(outcome.case for outcome in sweep() if outcome.case.repeat != FURTHER)
    other = scripted.header(machine_id="mffff0000", environment_id="effff0000", cases=planned)
    scripted.written_report(root / "reports" / "FOLDER", sweep(), scripted.header(cases=planned))
    scripted.written_report(root / "reports" / "OTHER", sweep(0.5), other)
    scripted.written_report(root / "elsewhere", sweep(0.5), other)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("MPLBACKEND", "agg")
        names: dict[str, Any] = {}
        exec(PREPARED, names)  # noqa: S102 - ours
        yield names
    import matplotlib.pyplot as plt  # noqa: PLC0415 - the backend is chosen above

    plt.close("all")


def cook(recipe: str, names: dict[str, Any]) -> Any:
    """The value of a recipe's last line, as a notebook shows it."""
    *lines, last = ast.parse(recipe).body
    assert isinstance(last, ast.Expr), "a recipe ends with what it shows"
    here = dict(names)
    exec(compile(ast.Module(lines, []), "recipe", "exec"), here)  # noqa: S102
    return eval(compile(ast.Expression(last.value), "recipe", "eval"), here)  # noqa: S307


def cook_titled(word: str, names: dict[str, Any]) -> Any:
    (number,) = [number for number, title in enumerate(TITLES) if word in title]
    return cook(RECIPES[number], names)


def test_there_are_ten_recipes_of_at_most_six_lines() -> None:
    assert len(RECIPES) == len(TITLES) == 10
    assert max(len(recipe.splitlines()) for recipe in RECIPES) <= 6
    assert max(map(len, "".join(BLOCKS).splitlines())) <= 120


@pytest.mark.parametrize("recipe", RECIPES, ids=TITLES)
def test_a_recipe_runs_and_shows_something(recipe: str, names: dict[str, Any]) -> None:
    shown = cook(recipe, names)
    if isinstance(shown, pd.DataFrame):
        assert len(shown)
        assert not shown.isna().all(axis=None)
    else:
        assert len(shown.lines), "curves"


def test_processes_that_were_shorter_than_others_of_their_case_are_not_averaged_with_them(
    names: dict[str, Any],
) -> None:
    final = names["final"]
    assert set(final["epochs"]) == {EPOCHS}
    assert set(final["repeat"]) == {0, 1}
    assert len(final) == 8, "two processes each of four cases by fit"
    every_loop = names["every_loop"]
    assert len(every_loop) == 12, "two processes each of six cases"
    lost = every_loop["status"] != "ok"
    assert lost.sum() == every_loop["total_s"].isna().sum() == 1, "what was not reached is empty"


def test_times_are_those_of_the_checkpoints(names: dict[str, Any]) -> None:
    times = cook_titled("How long", names)
    assert list(times.columns) == [SHORT, EPOCHS]
    assert times.loc[("basic", 128, "xla"), SHORT] == pytest.approx(7.3009)
    assert times.loc[("basic", 128, "fit"), EPOCHS] == pytest.approx(9.8035)


def test_memory_is_that_of_the_batch_size(names: dict[str, Any]) -> None:
    memory = cook_titled("memory", names)
    assert memory.loc["basic"].tolist() == [728, 856]


def test_the_best_get_slower_and_better_and_cost_what_their_time_costs(names: dict[str, Any]) -> None:
    best = cook_titled("best loss", names)
    assert len(best) == 2
    assert set(best["loop"]) == {"xla"}
    assert best["total_s"].is_monotonic_increasing
    assert best["val_bce"].is_monotonic_decreasing
    assert (best["cost"] * 9000).tolist() == pytest.approx(best["total_s"].tolist())


def test_a_faster_loop_is_faster_by_the_epoch_than_in_all(names: dict[str, Any]) -> None:
    loops = cook_titled("Which loop", names)
    assert loops.index.tolist() == [("basic", 128), ("basic", 256)]
    assert loops["times as fast per epoch"].tolist() == pytest.approx([4, 4], rel=0.02)
    assert loops["in all"].tolist() == pytest.approx([9.8035 / 7.7035] * 2)


def test_the_noisy_epoch_is_found(names: dict[str, Any]) -> None:
    noisy = cook_titled("noisy", names)
    assert noisy["epoch"].tolist() == [5]
    assert noisy["other_cores"].tolist() == [1.0]


def test_there_is_a_curve_for_each_batch_size_and_loop(names: dict[str, Any]) -> None:
    curves = cook_titled("loss fall", names)
    assert len(curves.lines) == 4
    assert curves.lines[0].get_ydata().tolist() == pytest.approx([0.4 / n for n in range(1, EPOCHS + 1)])


def test_the_other_machine_is_twice_as_fast(names: dict[str, Any]) -> None:
    ratios = cook_titled("another machine", names)
    assert len(ratios) == 6
    assert ratios["times_as_fast"].tolist() == pytest.approx([2.0] * 6, rel=1e-4)
    assert (ratios["times_as_fast_low"] < 2).all()


def test_the_case_that_is_known_least_comes_first(names: dict[str, Any]) -> None:
    least = cook_titled("known least", names)
    assert least["within"].is_monotonic_decreasing
    assert least["case"].iloc[0].startswith("deep"), "one of its two processes failed"
    assert least["processes"].iloc[0] == 1


def test_dead_units_are_a_fraction_of_the_code(names: dict[str, Any]) -> None:
    assert set(cook_titled("dead", names).to_numpy().ravel()) == {3 / 32}


def test_what_is_lost_is_a_fraction_of_the_run(names: dict[str, Any]) -> None:
    lost = cook_titled("lost", names).loc[("basic", "fit")]
    assert lost.tolist() == pytest.approx(np.array([4.0, 0.7, 1.6]) / 9.8, rel=0.01)


def test_the_readmes_five_lines_show_the_machines(names: dict[str, Any]) -> None:
    (block,) = README_BLOCKS
    assert len([line for line in block.splitlines() if line]) <= 5
    assert len(cook(block, names)) == 2
