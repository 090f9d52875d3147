"""`aebench advise`: a short sweep of what a script of one's own can copy, and what of it trains faster here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.console.output import make_console, say
from bench.console.table import print_lines
from bench.errors import join_names
from bench.host.fingerprint import ONEDNN_SETTING, find_gpus, leaves_onednn_out, offers_bfloat16
from bench.plan import catalog
from bench.plan.profile import DATASET_SIZES, Case
from bench.report.advice import (
    Advice,
    Gain,
    can_copy,
    describe_advice,
    describe_change,
    describe_loss,
    list_top_lines,
)
from bench.report.contents import SweepReport
from bench.report.variants import find_plain, format_times, get_way
from bench.results.ratios import divide
from bench.sweep.flags import SweepRequest
from bench.sweep.repeats import KnownCase, rank_by_width
from bench.sweep.run import run_sweep

MINUTES = 2.0
_TRAINING_S = 5.0
"""Of a process by `fit`: how well the time of an epoch is known depends on it, and starting takes as long."""
_FEWEST_EPOCHS, _MOST_EPOCHS = 12, 50
_LISTED = 10


@dataclass(frozen=True)
class AdviseRequest:
    """What a person asked for."""

    fields: Mapping[str, Any]
    """Profile fields that flags set."""
    data: Path | None = None
    offline: bool = False
    out: Path | None = None
    json: bool = False
    """Whether standard output is for another program."""


def advise(request: AdviseRequest) -> int:
    """Measure, and print on standard output nothing but the advice; returns the exit code of the sweep.

    Raises `InvalidInput` for what cannot be done, before anything is written.
    """
    sweep = SweepRequest(None, choose_fields(request.fields), request.data, request.offline, request.out, resume=False)
    print_report = print_json if request.json else print_advice
    return run_sweep(sweep, make_console(stderr=True), print_report=print_report, rank=rank_by_advice)


def choose_fields(flags: Mapping[str, Any], *, has_bfloat16: bool | None = None) -> dict[str, Any]:
    """Choose what is tried, as a profile's fields: each loop that can be copied, the best compiled one, and beside them
    one thread, and mixed_bfloat16 where the processor has it, both with `fit` and the loop that asks most of `compile`.

    ``has_bfloat16`` says what this machine has; None to look.
    """
    if has_bfloat16 is None:
        has_bfloat16 = offers_bfloat16() or find_gpus()[0] is not None
    models, backends = flags.get("models", ["basic"]), flags.get("backends", [catalog.DEFAULT_BACKEND])
    settings = catalog.read_model_settings()
    known = [name for name in models if name in settings]
    images, _ = DATASET_SIZES.get(flags.get("dataset", ""), DATASET_SIZES["mnist-5k"])
    own: dict[str, dict[str, Any]] = {
        name: {"loops": list_loops(name, backends), "epochs": [choose_epochs(name, images)]} for name in known
    }
    if "batch_sizes" not in flags:
        own = {name: {"batch_sizes": [settings[name].batch_size], **axes} for name, axes in own.items()}
    ways: list[dict[str, Any]] = [{"threads": [1]}]
    if has_bfloat16:
        ways.append({"precisions": ["mixed_bfloat16"]})
    return {
        "name": "advise",
        "description": "what a script of one's own can copy to train faster here",
        "models": models,
        "epochs": [_MOST_EPOCHS],
        "batch_sizes": [256],
        "minutes": MINUTES,
        **flags,
        "loops": ["fit"],
        "model": own,
        "also": [{"loops": _list_strongest(backends), **way} for way in ways],
    }


def choose_epochs(model: str, images: int) -> int:
    """Choose how many epochs of so many images a process trains."""
    full, _ = DATASET_SIZES["mnist"]
    epoch_s = catalog.read_model_settings()[model].epoch_s * images / full
    return min(max(round(_TRAINING_S / epoch_s), _FEWEST_EPOCHS), _MOST_EPOCHS)


def list_loops(model: str, backends: Sequence[str]) -> list[str]:
    """List the loops to try on a model: those that can be copied, and `xla` where somebody has measured it.

    On a processor it trains convolutions 10 to 150 times slower than the others do (docs/research/loops.md).
    """
    factors = catalog.read_model_settings()[model].epoch_factors
    quick = ["xla"] if all((backend, "xla", "float32") in factors for backend in backends) else []
    return [*_list_copyable(backends), *quick]


def _list_copyable(backends: Sequence[str]) -> list[str]:
    supported = catalog.read_loop_backends()
    return [loop for loop in catalog.read_copyable_loops() if set(backends) <= set(supported[loop])]


def _list_strongest(backends: Sequence[str]) -> list[str]:
    """List `fit`, and the loop that asks most of `compile`: those that other threads and precisions are tried with."""
    arguments, loops = catalog.read_loop_compile_arguments(), _list_copyable(backends)
    return list(dict.fromkeys(["fit", max(loops, key=lambda loop: len(arguments[loop]))]))


def rank_by_advice(known: Sequence[KnownCase]) -> Sequence[KnownCase]:
    """Put first what the advice is made of: of each model the plain way and those that may be the fastest to copy.

    Among these, and among the rest, the widest intervals come first.
    """
    groups: dict[tuple[str, int], list[KnownCase]] = {}
    for case, speed in known:
        groups.setdefault((case.model, case.batch_size), []).append((case, speed))
    deciding = {case.name for group in groups.values() for case in _list_deciding(group)}
    return sorted(rank_by_width(known), key=lambda each: each[0].name not in deciding)


def _list_deciding(known: Sequence[KnownCase]) -> list[Case]:
    """List the plain way to train a model, and those to copy that are not clearly slower than the fastest of them."""
    plain = find_plain([get_way(case) for case, _ in known])
    if plain is None:
        return []
    copyable = [each for each in known if can_copy(get_way(each[0])) and each[0].backend == plain.backend]
    fastest = min((speed for _, speed in copyable), key=lambda speed: speed.quiet)
    return [
        case for case, speed in copyable if get_way(case) == plain or divide(speed, fastest, in_one_sweep=True).low <= 1
    ]


# ------------------------------------------------------------------------------ what is printed


def print_advice(report: SweepReport, _console: Console) -> None:
    """Print the advice for each model, and where the report is."""
    console = make_console()
    for each in report.advice:
        print_lines(console, [describe_advice(each), *_describe_others(each)])
    if not report.advice:
        say(console, "No advice: too little was measured.")
    if hint := _hint_at_onednn(report):
        print_lines(console, [hint])
    images = f"{report.header.train_samples:,} images of {report.header.profile.dataset}"
    say(console, f"Measured on {images} an epoch; more in {report.folder.page}")


def _hint_at_onednn(report: SweepReport) -> str | None:
    """Say what is not tried, since it is no axis of a case; None where that is nothing."""
    header = report.header
    is_asked = catalog.DEFAULT_BACKEND in header.profile.backends and header.fingerprint.gpu is None
    if not is_asked or not any(map(catalog.has_convolutions, header.profile.models)) or not leaves_onednn_out():
        return None
    return (
        "Not tried: TensorFlow leaves oneDNN's convolutions out on this processor; with them it may train 2 to 3 times "
        f"as fast. Put {ONEDNN_SETTING}=1 before the command to measure with it."
    )


def _describe_others(advice: Advice) -> list[str]:
    """Describe what else was tried."""
    also = [gain for gain in advice.gains if gain.is_clear and gain not in (advice.setting, advice.best)]
    lists = (("Also faster", also), ("Not clearly faster", [gain for gain in advice.gains if not gain.is_clear]))
    return [f"{words}: {join_names([_name_gain(gain) for gain in gains], _LISTED)}." for words, gains in lists if gains]


def _name_gain(gain: Gain) -> str:
    return f"{gain.variant.name} ({format_times(gain.ratio.value)})"


def print_json(report: SweepReport, _console: Console) -> None:
    """Print the advice as one JSON object."""
    found = {
        "models": [_to_fields(advice) for advice in report.advice],
        "train_samples": report.header.train_samples,
        "val_samples": report.header.val_samples,
        "dataset": report.header.profile.dataset,
        "hint": _hint_at_onednn(report),
        "report": str(report.folder.root.resolve()),
    }
    say(make_console(), json.dumps(found, allow_nan=False))


def _to_fields(advice: Advice) -> dict[str, Any]:
    return {
        "model": advice.model,
        "batch_size": advice.batch_size,
        "epochs": advice.epochs,
        "advice": describe_advice(advice),
        "compared_with": advice.plain.name,
        "setting": advice.setting and _to_gain_fields(advice, advice.setting),
        "best": advice.best and _to_gain_fields(advice, advice.best),
        "tried": [_to_gain_fields(advice, gain) for gain in advice.gains],
    }


def _to_gain_fields(advice: Advice, gain: Gain) -> dict[str, Any]:
    variant, way, copied = gain.variant, gain.variant.way, can_copy(gain.variant.way)
    arguments = catalog.read_loop_compile_arguments().get(way.loop, {})
    return {
        "name": variant.name,
        "change": describe_change(way) if copied else None,
        "compile_arguments": catalog.format_compile_arguments(arguments) if copied else None,
        "top_lines": list_top_lines(way) if copied else None,
        "times_per_epoch": gain.ratio.value,
        "times_low": gain.ratio.low,
        "times_high": gain.ratio.high,
        "is_clearly_faster": gain.is_clear,
        "times_end_to_end": variant.end_to_end,
        "pays_from": variant.pays_from,
        "loss": variant.loss,
        "losses": describe_loss(advice.plain, variant),
    }
