"""report.md: everything that was measured, and everything that was not."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import scripted

from bench.plan import catalog
from bench.report.contents import SweepReport
from bench.report.markdown import format_markdown
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome, SweepHeader

EVERY = scripted.header(profile=scripted.profile(models=tuple(catalog.read_model_settings())))


def outcomes(*models: str) -> list[Outcome]:
    return [scripted.outcome(scripted.case(model=model)) for model in models]


def markdown_of(header: SweepHeader, outcomes: Sequence[Outcome], notes: Sequence[str] = ()) -> str:
    return format_markdown(SweepReport(ReportFolder(Path("nowhere")), header, outcomes, notes))


def headings(text: str) -> list[str]:
    return [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]


def test_every_model_has_a_table_in_the_catalogs_order() -> None:
    order = list(catalog.read_model_settings())
    text = markdown_of(EVERY, outcomes(*reversed(order)))
    assert [heading.split(":")[0] for heading in headings(text)[: 1 + len(order)]] == ["Notes", *order]
    for settings in catalog.read_model_settings().values():
        assert settings.title in text


def test_the_answer_comes_first_in_sentences_and_with_every_case() -> None:
    made = SweepReport(ReportFolder(Path("nowhere")), EVERY, outcomes("basic", "sparse_batch_sum"))
    head = format_markdown(made).split("\n- **Sweep**")[0]
    assert head.startswith("# Autoencoders on Scripted CPU, 2 cores\n\n- Time: 4 epochs took 14.0 s, start ")
    assert head.count("\n- ") == len(made.answer)
    assert r"| sparse\_batch\_sum | 4 " in head
    assert head.endswith(f"{made.cases.title}:\n\n{made.cases.to_markdown()}\n")


def test_the_head_says_what_ran_on_what() -> None:
    text = markdown_of(EVERY, outcomes("basic"))
    head = text.split("\n## ")[0]
    for expected in (
        "Scripted CPU",
        "2 cores",
        f"1 of {len(catalog.read_model_settings())} cases",
        "40 training",
        "10 validation",
        "mnist-5k",
        "made up",
    ):
        assert expected in head


def test_the_head_names_the_backends_that_ran_and_no_other() -> None:
    versions = scripted.fingerprint().model_copy(update={"tensorflow": None, "jax": "0.9.1", "torch": "2.9.0"})
    profile = scripted.profile(backends=("jax",))
    head = markdown_of(scripted.header(profile=profile, fingerprint=versions), []).split("\n## ")[0]
    assert f"**Software**: Keras {versions.keras}, JAX 0.9.1, {versions.python}" in head
    assert not [word for word in ("TensorFlow", "PyTorch", "None") if word in head]


@pytest.mark.parametrize(("genuine", "warned"), [(True, False), (None, False), (False, True)])
def test_arrays_that_are_not_what_their_name_says_are_pointed_out(genuine: bool | None, warned: bool) -> None:
    text = markdown_of(scripted.header(dataset_genuine=genuine), outcomes("basic"))
    assert ("not the arrays" in text) == warned


def test_a_failed_case_comes_first_with_the_end_of_its_log_and_stays_in_its_table() -> None:
    failed = scripted.outcome(scripted.case(model="deep"), reached=1, log_tail="line one\n  MemoryError | <b>")
    text = markdown_of(scripted.header(), [*outcomes("basic"), failed])
    assert headings(text)[0] == "Cases that failed"
    last_words = "    line one\n      MemoryError | <b>"
    for expected in (failed.case.case_id, "**failed**", "ValueError: scripted", last_words):
        assert expected in text
    table = text.split("## deep")[1].split("\n## ")[0]
    assert "| 4 | 4 | failed |" in table
    assert "| 1 | 4 | 11.0 | –" in table


def test_an_error_of_several_lines_with_markup_stays_text() -> None:
    failed = scripted.outcome(reached=0, error="first line\n\n## Not a heading\n<script>alert(1)</script>")
    text = markdown_of(scripted.header(), [failed])
    assert "Not a heading" not in headings(text)
    assert "<script>" not in text


def test_without_failures_there_is_no_word_of_them() -> None:
    assert "failed" not in markdown_of(scripted.header(), outcomes("basic", "deep")).lower()


def test_what_could_not_be_read_is_noted() -> None:
    text = markdown_of(scripted.header(), outcomes("basic"), ["line 3 is set aside"])
    assert "- line 3 is set aside" in text


def test_no_cell_is_none_or_nan() -> None:
    mixed = [*outcomes("basic"), scripted.outcome(scripted.case(model="deep"), reached=1)]
    text = markdown_of(scripted.header(git_commit=None, git_dirty=None), mixed)
    assert "None" not in text
    assert "nan" not in text.lower()


def test_a_sweep_that_measured_nothing_has_a_report_that_says_so() -> None:
    assert "0 of 2 cases" in markdown_of(scripted.header(), [])


def test_the_machines_fields_cannot_break_their_table() -> None:
    odd = scripted.fingerprint(cpu_model="A | B\nC", env_flags="XLA_FLAGS=--a|b")
    table = markdown_of(scripted.header(fingerprint=odd), outcomes("basic")).split("## The machine")[1]
    assert r"| cpu\_model | A \| B C |" in table
    assert "gpu" not in table
