"""What reference reports answer, and that a figure that is not theirs is found."""

from pathlib import Path
from typing import Any

import pytest
import scripted

from bench.errors import InvalidInput
from bench.reference import __main__ as command
from bench.reference import answers
from bench.reference.references import group_references, read_references
from bench.report.files import format_csv
from bench.results.schema import ResultRow


def result(model: str = "basic", epochs: int = 50, **changes: Any) -> ResultRow:
    """A row of the blog's own run on the full MNIST."""
    own: dict[str, Any] = {
        "case_id": f"{model}.{changes.get('loop', 'fit')}.{changes.get('batch_size', 256)}.{changes.get('backend')}.r0",
        "repeat": 0,
        "model": model,
        "epochs": epochs,
        "run_epochs": 500,
        "dataset": "mnist",
        "dataset_genuine": "yes",
        "train_samples": 60_000,
        "val_samples": 10_000,
        "batch_size": 256,
        "optimizer": "adadelta",
        "learning_rate": 1.0,
        "git_dirty": "no",
        "noisy_epochs": 0,
    }
    return scripted.result_row(**own | scripted.times(changes.pop("seconds", 1.0)) | changes)


BASIC = (
    result(total_s=60.0, val_bce=0.1017, train_loss=0.1036, peak_rss_mib=900.0, peak_rss_import_mib=600.0),
    result(epochs=500, total_s=600.0, val_bce=0.0921, peak_rss_mib=900.0, peak_rss_import_mib=600.0),
)


def keep(root: Path, name: str, *rows: ResultRow) -> None:
    folder = root / "reports/reference" / name
    folder.mkdir(parents=True)
    (folder / "results.csv").write_text(format_csv(ResultRow, rows))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
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


def test_a_report_that_cannot_be_read_is_named(here: Path) -> None:
    keep(here, "epyc-2c-blog", *BASIC)
    keep(here, "epyc-2c-later", *(row.model_copy(update={"schema_version": 99}) for row in BASIC))
    with pytest.raises(InvalidInput, match=r"epyc-2c-later.*schema version 99"):
        command.run_reference(["check"])


def test_sentences_have_their_figures() -> None:
    said = "\n".join(answers.write_sentences(BASIC))
    assert "500 epochs of basic take 600 s with fit, 10.0 times as long as 50" in said
    assert "from 0.1017 to 0.0921" in said
    assert "basic needs 944 MB at 500 epochs; 67 % of that" in said


def test_what_was_not_measured_is_not_said() -> None:
    said = "\n".join(answers.write_sentences(BASIC[:1]))
    for word in ("0.27", "backend", "batch size", "500 epochs", "542"):
        assert word not in said


def test_loops_batch_sizes_and_backends_are_compared() -> None:
    end: dict[str, Any] = {"epochs": 500, "val_bce": 0.1}
    rows = [
        result(seconds=3.0, **end),
        result(loop="xla", seconds=1.0, **end),
        result(loop="steps_jit", seconds=1.5, **end),
        result(backend="jax", seconds=2.0, **end),
        result(batch_size=1024, seconds=1.2, **end),
    ]
    said = "\n".join(answers.write_sentences(rows))
    assert "fit takes 3.00 times the time of xla and 2.00 times that of steps_jit" in said
    assert "basic, batch size 256 to 1024: 3 to 1.2 s per epoch" in said
    assert "by backend: JAX 2 s, TensorFlow 3 s." in said


def test_the_penalty_explains_the_loss_of_readers() -> None:
    summed = result("sparse_batch_sum", 100, val_loss=0.2773, dead_units=30, code_units=32)
    said = "\n".join(answers.write_sentences([summed, result("sparse", 100, val_loss=0.1054)]))
    assert "validation loss of 0.2773 with 30 of 32 code units dead; averaged (sparse), at 0.1054" in said


def test_within_one_of_the_last_published_digit_a_loss_is_the_same() -> None:
    table = answers.tabulate_published(BASIC)
    assert ("basic", "blog, 50 epochs: training loss 0.11", "0.1036", "the same") in table.rows
    other = answers.tabulate_published([each.model_copy(update={"train_loss": 0.0989}) for each in BASIC])
    assert ("basic", "blog, 50 epochs: training loss 0.11", "0.0989", "lower") in other.rows


def test_a_readme_without_its_comments_is_refused() -> None:
    with pytest.raises(InvalidInput, match="answers: begin"):
        answers.replace_block("no comments", "block")


def test_small_data_answer_nothing(here: Path) -> None:
    keep(here, "epyc-2c-small", *(row.model_copy(update={"dataset": "mnist-5k"}) for row in BASIC))
    groups = group_references(read_references(here / "reports/reference"))
    assert "answers anything yet" in answers.write_page(groups)
    assert answers.write_block(groups) == ""


def test_times_of_other_run_lengths_or_data_are_not_compared() -> None:
    end: dict[str, Any] = {"epochs": 500, "val_bce": 0.1}
    short: dict[str, Any] = {"loop": "xla", "seconds": 1.0, "epochs": 10, "run_epochs": 10}
    for other in (
        short,
        {"loop": "xla", "dataset_digest": "other", **end},
        {"loop": "xla", "learning_rate": 0.1, **end},
    ):
        assert "An epoch of" not in "\n".join(answers.write_sentences([result(seconds=3.0, **end), result(**other)]))
    both = [result(seconds=3.0, **end), result(**short), result(**short | {"loop": "fit", "seconds": 2.0})]
    assert "2.00 times the time of xla" in "\n".join(answers.write_sentences(both))
    more = [*both, result(loop="xla", seconds=0.5, **end)]
    assert "6.00 times the time of xla" in "\n".join(answers.write_sentences(more))
    more.append(result(**short | {"loop": "steps_jit", "seconds": 1.6}))
    assert "xla and 1.25 times that of steps_jit" in "\n".join(answers.write_sentences(more))


def test_a_loss_above_the_published_one_is_said_and_a_mean_activation_is_not() -> None:
    row = result(train_loss=0.15, val_loss=0.1, code_mean=9.0)
    said = [line for line in answers.write_sentences([row]) if line.startswith("Not as published")]
    assert len(said) == 1
    assert "training loss 0.11; here it is higher, 0.1500" in said[0]


def test_a_line_for_each_checkpoint_and_none_for_what_was_not_trained() -> None:
    table = answers.tabulate_checkpoints([*BASIC, result(epochs=60)])
    assert [line[:3] for line in table.rows] == [("basic", "50", "60.0 s"), ("basic", "500", "600.0 s")]


def test_figures_of_two_environments_are_not_put_together(here: Path) -> None:
    keep(here, "epyc-2c-blog", *BASIC)
    newer = {"environment_id": "e2", "keras": "99.0", "val_bce": 0.5, "total_s": 9.0}
    keep(here, "epyc-2c-newer", *(row.model_copy(update=newer) for row in BASIC))
    page = answers.write_page(group_references(read_references(here / "reports/reference")))
    one, two = page.split("(keras 99.0)")
    assert "0.1017" in one
    assert "0.5000" not in one
    assert "0.5000" in two
    assert "0.1017" not in two
