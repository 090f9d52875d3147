"""report.md, and the same for the terminal: what was measured, in tables."""

from collections.abc import Sequence

from bench.console.table import Table, escaped
from bench.plan import catalog
from bench.report import published, variants
from bench.report.choices import AS_THEY_ARE, Choices
from bench.report.exports import write_exports
from bench.report.files import result_rows, write_environment, write_status, write_tables
from bench.report.summary import count_noisy_epochs, drift, machine, machine_name, model_title, models, software
from bench.report.tables import blog_table, model_table, quality_table, variants_table
from bench.results.folder import ReportFolder, write_whole
from bench.results.schema import Outcome, ResultRow, SweepHeader

_READING = """\
- **s/epoch**: median training seconds of the epochs after the warm-up, validation not included; **95 %**: that median's
  confidence interval, from six epochs on. **first**: the first epoch, which carries tracing and compilation. Where a
  case ran in several processes, the median is over processes, and so is the interval; below six it is their range, with
  their number.
- **train**, **val**: losses as Keras prints them after the row's last epoch, penalties included.
- **bce**: mean binary cross-entropy a pixel of the validation images rebuilt from their codes. Only this one
  compares across models: the variational loss is a sum over pixels, the sparse one carries its penalty.
- **MiB**: peak resident memory of the case's own process up to that epoch, the interpreter and the backend's
  libraries included.
- **× fit**: how many times as fast as `fit` in float32; **of fit**: its share of that one's peak memory. **GFLOP/s**:
  the training's matrix products a second; **share**: of this machine's measured peak in the same precision; **bound**:
  what takes longest of a step at the least, its dispatch, its memory traffic or its arithmetic.
- **≤ 0.12** and so on: epochs and training seconds, compilation included, until `val_bce` passed that threshold; *at
  most* where a loss carries more than the cross-entropy, so that only checkpoints tell (`aebench report DIR --thresholds`).
- **dead**: code units that are zero for every validation image, of all code units.
- **remarks**: *noisy* epochs were noisy by other programs or by the hypervisor (`epochs.csv` says by what); *not
  steady*: the times after the warm-up have a trend.
- **ours is projected**: the median time of a step here, times the steps of as many epochs on the full MNIST. Nothing
  but time is projected.

Each case ran in a fresh process; its epoch counts are checkpoints on one run. Full precision and every other column are in
`results.csv`, each epoch in `epochs.csv`.\
"""


def write_report(
    folder: ReportFolder,
    header: SweepHeader,
    outcomes: Sequence[Outcome],
    notes: Sequence[str],
    exit_code: int,
    choices: Choices = AS_THEY_ARE,
) -> None:
    """Write every file that is made from the journal; ``choices`` are for report.md and report.html."""
    write_tables(folder, outcomes, header)
    write_environment(folder, header)
    write_exports(folder, outcomes, header)
    write_whole(folder.report, markdown(header, outcomes, notes, choices))
    write_status(folder, header, outcomes, exit_code)
    from bench.report.html import write_page  # noqa: PLC0415 - matplotlib is for those who draw

    write_page(folder, header, outcomes, [*notes, *remarks(header, outcomes, choices)], choices)


def tables(header: SweepHeader, outcomes: Sequence[Outcome], choices: Choices = AS_THEY_ARE) -> list[Table]:
    """One table a model in the catalog's order, then what is told over all of them."""
    rows = result_rows(outcomes, header, without_noisy=choices.without_noisy)
    found = [model_table(model_title(name), [row for row in rows if row.model == name]) for name in models(rows)]
    over_all = [
        variants_table(variants.side_by_side(rows)),
        quality_table(outcomes, choices.thresholds),
        blog_table(published.comparisons(rows, catalog.model_settings())),
    ]
    return [*found, *(table for table in over_all if not table.is_empty)]


def markdown(
    header: SweepHeader, outcomes: Sequence[Outcome], notes: Sequence[str], choices: Choices = AS_THEY_ARE
) -> str:
    """The text of report.md."""
    notes = [*map(escaped, notes), *remarks(header, outcomes, choices)]
    sections = [
        f"# Autoencoders on {escaped(machine_name(header.fingerprint))}",
        _summary(header, outcomes),
        *_failures(outcomes),
        *(["## Notes\n\n" + "\n".join(f"- {note}" for note in notes)] if notes else []),
        *(f"## {table.title}\n\n{table.markdown()}" for table in tables(header, outcomes, choices)),
        f"## How to read this\n\n{_READING}",
        f"## The machine\n\n{_fingerprint(header)}",
    ]
    return "\n\n".join(sections) + "\n"


def remarks(header: SweepHeader, outcomes: Sequence[Outcome], choices: Choices = AS_THEY_ARE) -> list[str]:
    """What a reader must know before trusting the tables."""
    rows = result_rows(outcomes, header)
    noisy, epochs = count_noisy_epochs(outcomes)
    treatment = (
        "are left out of the medians" if choices.without_noisy else "are in the medians (--without-noisy drops them)"
    )
    return [
        *([f"{noisy} of {epochs} epochs were noisy by others and {treatment}."] if noisy else []),
        *_drift(outcomes),
        *_cross_check(rows),
        *published.explanations(rows),
    ]


def _drift(outcomes: Sequence[Outcome]) -> list[str]:
    """Say where the machine itself changed its speed over the sweep."""
    ends = drift(outcomes)
    if ends is None:
        return []
    reached = f"The reference kernel between the cases reached {ends[0]:.0f} to {ends[1]:.0f} GFLOP/s"
    return [f"{reached}: the machine's own speed changed, so times of different cases compare no better than that."]


def _cross_check(rows: Sequence[ResultRow]) -> list[str]:
    """Sampling can miss a peak that is short, never exceed one: otherwise one of the two is wrong."""
    pairs = [
        (row.case_id, row.sampled_peak_mib, row.peak_rss_mib)
        for row in rows
        if row.sampled_peak_mib is not None and row.peak_rss_mib is not None
    ]
    above = dict.fromkeys(name for name, seen, peak in pairs if seen > peak + max(_TOLERANCE_MIB, peak / 100))
    below = dict.fromkeys(name for name, seen, peak in pairs if seen < _SHORT_OF * peak)
    return [
        *(
            [f"Sampling saw more memory than the peak that was read; trust neither: {', '.join(above)}."]
            if above
            else []
        ),
        *(
            [f"Memory peaked for less than a sampling interval, far above what sampling saw: {', '.join(below)}."]
            if below
            else []
        ),
    ]


_SHORT_OF = 0.8
_TOLERANCE_MIB = 1.0


def _summary(header: SweepHeader, outcomes: Sequence[Outcome]) -> str:
    profile = header.profile
    planned = len(header.cases)
    ended = sum(outcome.status == "ok" for outcome in outcomes)
    genuine = {True: "", False: " (**not the arrays usually known by that name**)", None: ""}[header.dataset_genuine]
    dataset = f"{escaped(profile.dataset)}{genuine} ({escaped(header.dataset_origin)})"
    return (
        f"Profile `{profile.name}`: {ended} of {planned} cases measured, on {header.train_samples:,} training and "
        f"{header.val_samples:,} validation images of {dataset}; optimizer {profile.optimizer}, seed {profile.seed}. "
        f"{escaped(', '.join(software(header)))}. Begun {escaped(header.created_at)}."
    )


def _failures(outcomes: Sequence[Outcome]) -> list[str]:
    failed = [outcome for outcome in outcomes if outcome.status != "ok"]
    if not failed:
        return []
    return ["## Cases that failed", *map(_failure, failed)]


def _failure(outcome: Outcome) -> str:
    head = f"`{outcome.case.case_id}`: **{outcome.status}**, {escaped(str(outcome.error))}"
    if not outcome.log_tail:
        return head
    return head + "\n\n" + "\n".join(f"    {line}" for line in outcome.log_tail.splitlines())


def _fingerprint(header: SweepHeader) -> str:
    lines = [f"| {name} | {escaped(value)} |" for name, value in machine(header).items()]
    return "\n".join(["| field | value |", "| :--- | :--- |", *lines])
