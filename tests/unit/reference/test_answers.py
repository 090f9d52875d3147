"""What reference reports answer, and that a figure that is not theirs is found."""

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from unit.references import BASIC, result

from bench.errors import InvalidInput
from bench.reference import __main__ as command
from bench.reference import answers, drawings
from bench.reference.chosen import list_pictured
from bench.reference.drawings import draw_answers, is_same
from bench.reference.references import Group, group_references, read_references
from bench.report.files import format_csv
from bench.results.bands import read_bands
from bench.results.process_schema import EpochRow
from bench.results.schema import ResultRow


def keep(root: Path, name: str, *rows: ResultRow) -> None:
    folder = root / "reports/reference" / name
    folder.mkdir(parents=True)
    (folder / "results.csv").write_text(format_csv(ResultRow, rows))


def read_groups(root: Path) -> list[Group]:
    return group_references(read_references(root / "reports/reference"))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    # Charts take seconds, and most tests are of what is written.
    monkeypatch.setattr(answers, "draw_answers", lambda _: {})
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(f"# aebench\n\n{answers.BEGIN}\n{answers.END}\n\nMore.\n")
    return tmp_path


def test_without_references_nothing_is_proved(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (here / "README.md").read_text()
    for arguments in (["answers"], ["leaderboard"], ["check"]):
        assert command.run_reference(arguments) == 0
    assert "nothing was proved" in capsys.readouterr().out.replace("\n", " ")
    assert (here / "README.md").read_text() == before
    assert not list((here / "docs").iterdir())


def test_what_is_left_of_removed_references_is_found_and_removed(here: Path) -> None:
    (here / "docs/answers.md").write_text("# Old\n")
    assert command.run_reference(["check"]) == 3
    assert command.run_reference(["answers"]) == 0
    assert not (here / "docs/answers.md").exists()


def test_a_figure_that_was_changed_is_found(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(here, "epyc-2c-blog", *BASIC)
    assert command.run_reference(["check"]) == 3
    assert command.run_reference(["answers"]) == 0
    assert command.run_reference(["check"]) == 0
    readme = here / "README.md"
    assert readme.read_text().startswith("# aebench\n")
    assert readme.read_text().endswith("\n\nMore.\n")
    readme.write_text(readme.read_text().replace("0.1017", "0.1016"))
    capsys.readouterr()
    assert command.run_reference(["check"]) == 3
    said = capsys.readouterr().out.replace("\n", " ")
    assert "README.md, line" in said
    assert "docs/answers.md" not in said


def test_bands_and_forecasts_are_made_of_the_references_and_checked(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(here, "epyc-2c-blog", *BASIC, result(epochs=10, case_id="basic.short.r0"))
    assert command.run_reference(["answers"]) == 0
    assert "It is not known how good forecasts are" in capsys.readouterr().out.replace("\n", " ")
    assert [(band.model, band.epochs) for band in read_bands(here / command.BANDS)] == [("basic", 50), ("basic", 500)]
    lines = (here / command.FORECASTS).read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["epyc-2c-blog"] * 2
    for file in (command.BANDS, command.FORECASTS):
        before = (here / file).read_text()
        (here / file).write_text(before.replace("basic", "deep", 1))
        capsys.readouterr()
        assert command.run_reference(["check"]) == 3
        assert f"{file}, line 2" in capsys.readouterr().out.replace("\n", "")
        (here / file).write_text(before)


def add_epochs(root: Path, name: str, *rows: ResultRow) -> None:
    """Add to a reference the epochs of its runs."""
    cases = {row.case_id: max(each.epochs for each in rows if each.case_id == row.case_id) for row in rows}
    lines = [
        {**dict.fromkeys(EpochRow.model_fields, ""), "case_id": case, "epoch": f"{epoch}", "train_s": "1.0"}
        | {"val_loss": f"{0.09 + 0.1 / epoch}", **dict.fromkeys(("val_s", "harness_s", "between_s"), "0.1")}
        for case, last in cases.items()
        for epoch in range(1, last + 1)
    ]
    text = "\n".join([",".join(EpochRow.model_fields), *(",".join(line.values()) for line in lines)])
    (root / "reports/reference" / name / "epochs.csv.gz").write_bytes(gzip.compress(text.encode()))


def add_samples(root: Path, name: str, *rows: ResultRow) -> None:
    """Add to a reference two images as a model rebuilds them."""
    folder = root / "reports/reference" / name / "samples"
    folder.mkdir()
    images = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8)
    for row in rows:
        arrays: dict[str, Any] = {
            "labels": np.array([3, 4], np.uint8),
            "input": images,
            "target": images,
            "output": images + 9,
        }
        np.savez(folder / f"{row.case_id}-{row.epochs}.npz", **arrays)


def test_the_chart_of_batch_sizes_has_quiet_figures_and_fit_first() -> None:
    rows = [
        result(loop=loop, batch_size=size, epoch_s_median=4.0, epoch_s_quiet=1.0)
        for loop in ("xla", "fit")
        for size in (32, 64)
    ]
    ways = drawings._list_scaled(rows)
    assert [(way.name, way.is_first) for way in ways] == [("fit", True), ("xla", False)]
    assert {case.find_median("epoch_s_median") for way in ways for case in way.cases} == {1.0}


def test_charts_and_pictures_are_drawn_and_checked(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*BASIC, result(batch_size=1024, epochs=500, val_bce=0.1), result(epochs=500, loop="xla", seconds=0.5)]
    keep(here, "epyc-2c-blog", *rows)
    add_epochs(here, "epyc-2c-blog", *rows)
    add_samples(here, "epyc-2c-blog", *BASIC)
    # Drawn once: below, the files change and the references do not.
    monkeypatch.setattr(answers, "draw_answers", draw_answers)
    made = answers.write_answers(read_groups(here))
    monkeypatch.setattr(answers, "write_answers", lambda _: made)
    assert command.run_reference(["answers"]) == 0
    drawn = {file.name: file for file in (here / "docs/answers").iterdir()}
    names = ["basic.png", "batch-sizes.svg", "memory-by-phase.svg", "quality.svg"]
    assert sorted(drawn) == [f"scripted-2c-{name}" for name in names]
    for text, start in (
        ((here / "README.md").read_text(), "docs/answers"),
        ((here / "docs/answers.md").read_text(), "answers"),
    ):
        for name in drawn:
            assert f"({start}/{name})" in text
    assert command.run_reference(["check"]) == 0
    for name, file in drawn.items():
        before = file.read_bytes()
        for instead in (None, b"", BLACK if name.endswith("png") else before.replace(b"basic", b"basil")):
            file.unlink() if instead is None else file.write_bytes(instead)
            capsys.readouterr()
            assert command.run_reference(["check"]) == 3
            assert name in capsys.readouterr().out.replace("\n", "")
        file.write_bytes(before)
    left_over = here / "docs/answers/old.svg"
    left_over.write_text("<svg />")
    assert command.run_reference(["check"]) == 3
    assert command.run_reference(["answers"]) == 0
    assert not left_over.exists()
    assert command.run_reference(["check"]) == 0


def test_pictures_are_of_a_process_that_has_samples(here: Path) -> None:
    keep(here, "a-without", result(started_at="2026-02-01T00:00:00+00:00"))
    keep(here, "b-with", *BASIC)
    keep(here, "c-the-same-without", *BASIC)
    add_samples(here, "b-with", *BASIC)
    assert [each.alt for each in answers.write_answers(read_groups(here)).drawings if each.file.suffix == ".png"] == [
        "basic, from above: original, 50 epochs and 500 epochs"
    ]


def make_png(value: int, level: int = 6) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4), value, np.uint8)).save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


BLACK = make_png(0)


def test_a_drawing_may_differ_by_less_than_is_seen_and_no_more() -> None:
    line = b'<svg viewBox="0 0 9 9"><path d="M 1 2 L 30.5 4" /><text x="3" y="4">50 epochs</text></svg>'
    assert is_same(line, line.replace(b"30.5", b"30.9"))
    assert not is_same(line, line.replace(b"30.5", b"33"))
    assert not is_same(line, line.replace(b"50 epochs", b"51 epochs"))
    assert not is_same(line, line.replace(b" L 30.5 4", b""))
    assert make_png(7, level=0) != make_png(7)
    assert is_same(make_png(7, level=0), make_png(7))
    assert not is_same(make_png(7), make_png(8))
    assert not is_same(make_png(7), make_png(7)[:40])


def test_pictures_are_of_the_first_process_of_the_published_runs() -> None:
    rows = [*BASIC, result(repeat=1), result(loop="xla"), result(epochs=10), result(batch_size=32)]
    assert list_pictured(rows) == list(BASIC)


def test_a_broken_epochs_file_is_one_message(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "draw_answers", draw_answers)
    keep(here, "epyc-2c-blog", *BASIC)
    (here / "reports/reference/epyc-2c-blog/epochs.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(InvalidInput, match=r"epochs\.csv\.gz is not gzip"):
        command.run_reference(["check"])


def test_a_report_that_cannot_be_read_is_named(here: Path) -> None:
    keep(here, "epyc-2c-blog", *BASIC)
    keep(here, "epyc-2c-later", *(row.model_copy(update={"schema_version": 99}) for row in BASIC))
    with pytest.raises(InvalidInput, match=r"epyc-2c-later.*schema version 99"):
        command.run_reference(["check"])


def test_within_one_of_the_last_published_digit_a_loss_is_the_same() -> None:
    table = answers.tabulate_published([("here", BASIC)])
    assert ("basic", "blog, 50 epochs: training loss 0.11", "0.1036", "the same") in table.rows
    lower = [each.model_copy(update={"train_loss": 0.0989}) for each in BASIC]
    assert ("basic", "blog, 50 epochs: training loss 0.11", "0.0989", "lower") in answers.tabulate_published(
        [("here", lower)]
    ).rows


def test_a_readme_without_its_comments_is_refused() -> None:
    with pytest.raises(InvalidInput, match="answers: begin"):
        answers.replace_block("no comments", "block")


def test_small_data_answer_nothing(here: Path) -> None:
    keep(here, "epyc-2c-small", *(row.model_copy(update={"dataset": "mnist-5k"}) for row in BASIC))
    made = answers.write_answers(read_groups(here))
    assert "answers anything yet" in made.page
    assert "epyc-2c-small" not in made.page
    assert made.block == ""
    assert made.drawings == ()


def test_a_line_for_each_checkpoint_and_none_for_what_was_not_trained() -> None:
    table = answers.tabulate_checkpoints([*BASIC, result(epochs=60)])
    assert [line[:3] for line in table.rows] == [("basic", "50", "1 min 0 s"), ("basic", "500", "10 min 0 s")]


def test_figures_of_two_environments_are_not_put_together(here: Path) -> None:
    keep(here, "epyc-2c-blog", *BASIC)
    newer = {"environment_id": "e2", "keras": "99.0", "val_bce": 0.5, "total_s": 9.0}
    keep(here, "epyc-2c-newer", *(row.model_copy(update=newer) for row in BASIC))
    page = answers.write_answers(read_groups(here)).page
    one, two = page.split("(keras 99.0)", 1)
    assert "0.1017" in one
    assert "0.5000" not in one
    assert "0.5000" in two
    assert "0.1017" not in two


def test_reports_that_used_other_backends_are_of_one_environment(here: Path) -> None:
    keep(here, "a-tensorflow", *BASIC)
    jax = {"environment_id": "e2", "tensorflow": None, "jax": "0.9.0", "backend": "jax", "case_id": "b.r0"}
    keep(here, "b-jax", *(row.model_copy(update=jax) for row in BASIC))
    keep(here, "c-newer", *(row.model_copy(update={"environment_id": "e3", "tensorflow": "2.99.0"}) for row in BASIC))
    groups = read_groups(here)
    assert [[each.name for each in group.references] for group in groups] == [["a-tensorflow", "b-jax"], ["c-newer"]]
    assert "TensorFlow 2.20.0, JAX 0.9.0" in answers.write_answers(groups[:1]).page
    set_here = {"environment_id": "e4", "env_flags": "TF_X=1", "jax": "0.1.0"}
    keep(here, "d-set", *(row.model_copy(update=set_here) for row in BASIC))
    assert [group.label for group in read_groups(here)] == [
        "scripted-2c (tensorflow 2.20.0)",
        "scripted-2c (tensorflow 2.99.0)",
        "scripted-2c (tensorflow 2.20.0, TF_X=1)",
    ]


def test_a_report_that_was_kept_twice_counts_once(here: Path) -> None:
    keep(here, "a", *BASIC)
    keep(here, "a-again", *BASIC)
    further = result(repeat=1, case_id="basic.r1", epochs=500)
    keep(here, "a-more", *BASIC, further)
    [group] = read_groups(here)
    assert len(group.rows) == len(BASIC) + 1
    assert [line[-1] for line in answers.tabulate_checkpoints(group.rows).rows] == ["1", "2"]


def test_each_machine_has_its_columns_in_readme_and_its_chapter_on_the_page(here: Path) -> None:
    keep(here, "a", *BASIC)
    other = {"machine_id": "m2", "environment_id": "e2", "cpu_model": "AMD Ryzen 9 7950X", "gpu": "NVIDIA H100"}
    keep(here, "b", BASIC[0].model_copy(update=other | {"train_loss": 0.2}))
    made = answers.write_answers(read_groups(here))
    header = next(line for line in made.block.splitlines() if line.startswith("| model"))
    assert header == "| model | published | scripted-2c | verdict | ryzen-9-7950x-2c | verdict |"
    line = next(line for line in made.block.splitlines() if "blog, 50 epochs: training loss" in line)
    assert line == "| basic | blog, 50 epochs: training loss 0.11 | 0.1036 | the same | 0.2000 | higher |"
    only = next(line for line in made.block.splitlines() if "500 epochs: peak RAM" in line)
    assert only.endswith("| 944 MB | 1.7 times the memory | – |  |")
    assert "What follows is of scripted-2c." in made.block
    assert "docs/leaderboard.md" in made.block
    keep(here, "c", result(epochs=60, machine_id="m3", environment_id="e3", cpu_model="Apple M4"))
    again = answers.write_answers(read_groups(here))
    assert "apple-m4-2c" in again.page
    assert "apple-m4-2c" not in again.block, "it has nothing that was published"
    assert made.page.count("\n## ") == 2
    assert "NVIDIA H100" in made.page


def test_what_only_some_machines_measure_has_a_column_where_it_was() -> None:
    assert "J/epoch" not in answers.tabulate_checkpoints(BASIC).headers
    rows = [BASIC[0], BASIC[1].model_copy(update={"epoch_j": 12.3, "peak_gpu_mib": 400.0})]
    table = answers.tabulate_checkpoints(rows)
    place = table.headers.index("J/epoch")
    assert [line[place] for line in table.rows] == ["–", "12.3"]
    assert [line[place - 1] for line in table.rows] == ["–", "400"]


def test_ways_are_beside_fit_at_the_checkpoint_that_both_reached() -> None:
    rows = [
        result(seconds=2.0, total_s=100.0),
        result(epochs=500, seconds=2.0),
        result(loop="xla", seconds=0.5, total_s=50.0),
        result(backend="jax", seconds=4.0, total_s=200.0),
    ]
    lines = [(*line[:3], *line[-2:]) for line in answers.tabulate_ways(rows).rows]
    assert lines == [
        ("basic, batch 256", "50", "fit", "1", "1"),
        ("basic, batch 256", "50", "xla", "4.0", "2.0"),
        ("basic, batch 256", "50", "jax fit", "0.50", "0.50"),
    ]
