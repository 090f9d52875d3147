"""`aebench run --plan --probe`: what short processes say of this machine, and what of the plan they scale."""

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import scripted
from rich.console import Console
from scripted import Script, ScriptedExecutor
from unit.sweeps import PROFILE, request

from bench.errors import InvalidInput
from bench.host import fingerprint
from bench.plan import forecast
from bench.plan.forecast import Machine, MeasuredProcess
from bench.results.folder import ReportFolder
from bench.sweep import plan, probe
from bench.sweep.probe import Probe, choose_probes, describe_probes, run_probes

KNOWN = MeasuredProcess(
    report="a",
    cpu_model="Other CPU",
    cores=2.0,
    gflop_per_s=200.0,
    gb_per_s=40.0,
    model="basic",
    backend="tensorflow",
    loop="fit",
    precision="float32",
    optimizer="adam",
    batch_size=4,
    train_samples=4_000,
    start_s=5.0,
    epoch_s=0.1,
    peak_rss_mib=900.0,
)
FIT = ("tensorflow", "fit")


@pytest.fixture
def references(monkeypatch: pytest.MonkeyPatch) -> None:
    """The references have the basic model with `fit`."""
    for module in (forecast, plan):
        monkeypatch.setattr(module, "read_measured", lambda: (KNOWN,))
    monkeypatch.setattr(plan, "measure_machine", lambda _: Machine("Scripted CPU", 4.0, 200.0, 40.0))


def ran(seconds: float, ending: Mapping[str, Any] | None = None) -> list[Probe]:
    """Probes whose epochs after the first one take so many seconds, and a twentieth for validation, and 10 in all."""
    epochs = tuple(scripted.epoch(number, train_s=9.0 if number == 1 else seconds) for number in range(1, 5))
    ended = (replace(scripted.checkpoint(4), wall_s=10.0),)
    script = Script({"basic": {"epochs": epochs, "checkpoints": ended, "duration_s": 6.0, **(ending or {})}})
    chosen = {FIT: (scripted.case(checkpoints=(4,)), (5.0, 0.1))}
    return list(run_probes(ScriptedExecutor(script), chosen))


def test_the_factor_is_of_an_epoch_with_its_validation_and_without_the_first() -> None:
    [found] = ran(0.15)
    assert found.factor == pytest.approx((0.15 + 0.05) / 0.1)
    [sentence] = describe_probes([found], [scripted.case()])
    assert sentence == (
        "By a probe of 6 s, an epoch takes 2 times as long here as planned, and a start 1.8 times as long."
    )


def test_the_start_is_all_but_the_epochs_as_they_are_after_the_first() -> None:
    [found] = ran(0.15)
    assert found.start_factor == pytest.approx((10.0 - 4 * (0.15 + 0.05)) / 5.0)


def test_a_probe_that_fails_scales_nothing_and_says_why() -> None:
    [found] = ran(0.15, {"status": "timeout", "error": "ended after 120 seconds, its time limit"})
    assert found.factor is None
    [sentence] = describe_probes([found], [scripted.case(), scripted.case(loop="xla")][:1])
    assert sentence == (
        "The probe failed, so the times of 1 case are not scaled: ended after 120 seconds, its time limit"
    )


def test_there_is_one_short_probe_of_the_basic_model_for_each_loop_that_has_an_estimate(references: None) -> None:
    models = [
        scripted.case(model=model, checkpoints=(500,), repeat=repeat)
        for model in ("deep", "basic")
        for repeat in (0, 1)
    ]
    unknown = [scripted.case(backend="torch", loop="xla", repeat=repeat) for repeat in (0, 1)]
    others = [scripted.case(loop="xla"), scripted.case(threads=1), scripted.case(precision="mixed_bfloat16")]
    chosen = choose_probes([*models, *others, *unknown], 4_000, 1_000)
    assert list(chosen) == [FIT, ("tensorflow", "xla")]
    case, planned = chosen[FIT]
    assert case == scripted.case(checkpoints=(20,))
    assert planned == (KNOWN.start_s, KNOWN.epoch_s)
    probes = [Probe(loop, 6.0, 1.3, 0.9) for loop in chosen]
    *found, without = describe_probes(probes, [*models, *others, *unknown])
    assert "an epoch with fit on tensorflow takes 1.3 times as long here" in found[0]
    assert "and a start 0.9 times as long" in found[0]
    assert without == (
        "The times of 2 cases are not scaled: there is no probe with xla on torch, since nobody measured how long the "
        "basic model takes so."
    )


def show(folder: ReportFolder, *, with_probe: bool) -> str:
    out = io.StringIO()
    profile = PROFILE | {"models": ["basic"], "epochs": [100]}
    assert plan.show_plan(request(folder, overrides=profile), Console(file=out, width=200), probe=with_probe) == 0
    return " ".join(out.getvalue().split())


def test_a_probe_scales_the_times_of_a_plan_and_not_its_memory(
    folder: ReportFolder, script: Script, references: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "LocalExecutor", script.executor)
    script.dataset = scripted.dataset(train_samples=4_000)
    script.endings = {
        "basic": {
            "epochs": tuple(scripted.epoch(number, train_s=0.15, val_s=0.05) for number in range(1, 21)),
            "checkpoints": (replace(scripted.checkpoint(20), wall_s=4.0 + 3.0),),
        }
    }
    before = show(folder, with_probe=False)
    assert script.ran == []
    after = show(folder, with_probe=True)
    assert script.ran == ["basic"]
    assert not folder.root.exists()
    assert "15 s" in before
    # 3 s of start, where 5 were planned, and 100 epochs of 0.2 s, where 0.1 were planned.
    assert "About 23 s on this machine." in after
    assert "0.1 900" in before.replace("│", "")
    assert "0.2 900" in after.replace("│", "")
    assert "2 cores of Other CPU, times 1, as the reference kernels take 1 times as long here" in after


def test_a_plan_says_how_many_of_its_cases_are_scaled(
    folder: ReportFolder, script: Script, references: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "probe_machine", lambda *_: [Probe(FIT, 6.0, 2.0, 1.0)])
    out = io.StringIO()
    profile = PROFILE | {"models": ["basic", "deep"], "loops": ["fit", "xla"]}
    plan.show_plan(request(folder, overrides=profile), Console(file=out, width=200), probe=True)
    assert "and 2 of 4 cases are for this one" in " ".join(out.getvalue().split())


def test_a_probe_needs_its_backend(
    folder: ReportFolder, script: Script, references: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "find_backends", list)
    with pytest.raises(InvalidInput):
        show(folder, with_probe=True)
