"""report.md: everything that was measured, and everything that was not."""

from pathlib import Path

import pytest
import scripted

from bench.host.reference_kernels import Reference
from bench.plan import catalog
from bench.report import page
from bench.results import journal
from bench.results.folder import ReportFolder
from bench.results.schema import Outcome, Timeline

EVERY = scripted.header(profile=scripted.profile(models=tuple(catalog.model_settings())))


def outcomes(*models: str) -> list[Outcome]:
    return [scripted.outcome(scripted.case(model=model)) for model in models]


def headings(text: str) -> list[str]:
    return [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]


def test_every_model_has_a_table_in_the_catalogs_order() -> None:
    order = list(catalog.model_settings())
    text = page.format_markdown(EVERY, outcomes(*reversed(order)), ())
    assert [heading.split(":")[0] for heading in headings(text)[: len(order)]] == order
    for settings in catalog.model_settings().values():
        assert settings.title in text


def test_the_head_says_what_ran_on_what() -> None:
    text = page.format_markdown(EVERY, outcomes("basic"), ())
    head = text.split("\n## ")[0]
    for expected in (
        "Scripted CPU",
        "2 cores",
        f"1 of {len(catalog.model_settings())} cases",
        "40 training",
        "10 validation",
        "mnist-5k",
        "made up",
    ):
        assert expected in head


def test_the_head_names_the_backends_that_ran_and_no_other() -> None:
    versions = scripted.fingerprint().model_copy(update={"tensorflow": None, "jax": "0.9.1", "torch": "2.9.0"})
    profile = scripted.profile(backends=("jax",))
    head = page.format_markdown(scripted.header(profile=profile, fingerprint=versions), [], ()).split("\n## ")[0]
    assert f"**Software**: Keras {versions.keras}, JAX 0.9.1, {versions.python}" in head
    assert not [word for word in ("TensorFlow", "PyTorch", "None") if word in head]


@pytest.mark.parametrize(("genuine", "warned"), [(True, False), (None, False), (False, True)])
def test_arrays_that_are_not_what_their_name_says_are_pointed_out(genuine: bool | None, warned: bool) -> None:
    text = page.format_markdown(scripted.header(dataset_genuine=genuine), outcomes("basic"), ())
    assert ("not the arrays" in text) == warned


def test_a_failed_case_comes_first_with_the_end_of_its_log_and_stays_in_its_table() -> None:
    failed = scripted.outcome(scripted.case(model="deep"), reached=1, log_tail="line one\n  MemoryError | <b>")
    text = page.format_markdown(scripted.header(), [*outcomes("basic"), failed], ())
    assert headings(text)[0] == "Cases that failed"
    last_words = "    line one\n      MemoryError | <b>"
    for expected in (failed.case.case_id, "**failed**", "ValueError: scripted", last_words):
        assert expected in text
    table = text.split("## deep")[1].split("\n## ")[0]
    assert "| 3 | 4 | failed |" in table
    assert "| 1 | 4 | –" in table


def test_an_error_of_several_lines_with_markup_stays_text() -> None:
    failed = scripted.outcome(reached=0, error="first line\n\n## Not a heading\n<script>alert(1)</script>")
    text = page.format_markdown(scripted.header(), [failed], ())
    assert "Not a heading" not in headings(text)
    assert "<script>" not in text


def test_without_failures_there_is_no_word_of_them() -> None:
    assert "failed" not in page.format_markdown(scripted.header(), outcomes("basic", "deep"), ()).lower()


def test_what_could_not_be_read_is_noted() -> None:
    text = page.format_markdown(scripted.header(), outcomes("basic"), ["line 3 is set aside"])
    assert "- line 3 is set aside" in text


def test_no_cell_is_none_or_nan() -> None:
    mixed = [*outcomes("basic"), scripted.outcome(scripted.case(model="deep"), reached=1)]
    text = page.format_markdown(scripted.header(git_commit=None, git_dirty=None), mixed, ())
    assert "None" not in text
    assert "nan" not in text.lower()


def test_a_sweep_that_measured_nothing_has_a_report_that_says_so() -> None:
    assert "0 of 2 cases" in page.format_markdown(scripted.header(), [], ())


def test_the_machines_fields_cannot_break_their_table() -> None:
    odd = scripted.fingerprint(cpu_model="A | B\nC", env_flags="XLA_FLAGS=--a|b")
    table = page.format_markdown(scripted.header(fingerprint=odd), outcomes("basic"), ()).split("## The machine")[1]
    assert r"| cpu\_model | A \| B C |" in table
    assert "gpu" not in table


@pytest.mark.usefixtures("undrawn")
def test_the_report_comes_out_of_the_journal_the_same_again(tmp_path: Path) -> None:
    folder = ReportFolder(tmp_path)
    header = scripted.header()
    ended = [*outcomes("basic"), scripted.outcome(scripted.case(model="deep"), reached=1)]
    with journal.open_writer(folder) as writer:
        writer.append(header)
        for outcome in ended:
            writer.append(outcome)
    page.write_report(folder, header, ended, (), 3)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    stored = journal.read(folder.journal)
    page.write_report(folder, stored.header, list(stored.latest.values()), stored.notes, 3)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == made
    assert {"results.csv", "epochs.csv", "environment.json", "status.json", "report.md"} <= set(made)


def reference(gflop_per_s: float) -> Reference:
    best = gflop_per_s + 50  # the median is what is reported, not the best repeat
    return Reference(threads=2, gflop_per_s=best, gflop_per_s_median=gflop_per_s, gb_per_s=20.0, gb_per_s_median=19.0)


def test_a_machine_that_changed_its_speed_is_reported() -> None:
    steady = scripted.outcome(reference_before=reference(100.0), reference_after=reference(96.0))
    assert page.list_remarks(scripted.header(), [steady]) == []
    drifting = scripted.outcome(reference_before=reference(100.0), reference_after=reference(60.0))
    (remark,) = page.list_remarks(scripted.header(), [drifting])
    assert "60 to 100 GFLOP/s" in remark


def followed(mib: float) -> Outcome:
    """A run whose peaks are 601 and 603 MiB, sampled from outside."""
    return scripted.outcome(timeline=Timeline(interval_s=0.2, samples=((1.0, mib),)))


def test_sampling_that_sees_more_than_the_peak_is_reported_once() -> None:
    assert page.list_remarks(scripted.header(), [followed(602.0)]) == []
    (remark,) = page.list_remarks(scripted.header(), [followed(700.0)])
    assert remark.count("basic.tensorflow") == 1
    assert "trust neither" in remark


def test_a_peak_that_sampling_missed_by_far_is_reported() -> None:
    (remark,) = page.list_remarks(scripted.header(), [followed(300.0)])
    assert "less than a sampling interval" in remark


def test_noisy_epochs_are_reported_with_the_flag_that_leaves_them_out() -> None:
    outcome = scripted.outcome(epochs=(scripted.epoch(1), scripted.epoch(2, noise=scripted.NOISY), scripted.epoch(3)))
    (remark,) = page.list_remarks(scripted.header(), [outcome])
    assert remark.startswith("1 of 3 epochs")
    assert "--without-noisy" in remark
