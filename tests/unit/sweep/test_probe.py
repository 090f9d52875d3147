"""`aebench run --plan --probe`: what short processes say of this machine, and what of the plan they scale."""

import io
from collections.abc import Mapping
from typing import Any

import pytest
import scripted
from rich.console import Console
from scripted import Script, ScriptedExecutor
from unit.sweeps import PROFILE, request

from bench.errors import InvalidInput
from bench.host import fingerprint
from bench.plan import forecast
from bench.plan.forecast import Forecast, MeasuredProcess
from bench.results.folder import ReportFolder
from bench.sweep import plan, probe
from bench.sweep.probe import Probe, choose_probes, describe_probes, run_probes

KNOWN = MeasuredProcess(
    report="a",
    cpu_model="Other CPU",
    cores=2.0,
    gflop_per_s=200.0,
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


def ran(seconds: float, ending: Mapping[str, Any] | None = None) -> list[Probe]:
    """Probes whose epochs after the first one take so many seconds, and a twentieth for validation."""
    epochs = tuple(scripted.epoch(number, train_s=9.0 if number == 1 else seconds) for number in range(1, 5))
    script = Script({"basic": {"epochs": epochs, "duration_s": 6.0, **(ending or {})}})
    chosen = {FIT: (scripted.case(checkpoints=(4,)), Forecast(5.0, 0.1, 900.0))}
    return list(run_probes(ScriptedExecutor(script), chosen))


def test_the_factor_is_of_an_epoch_with_its_validation_and_without_the_first() -> None:
    [found] = ran(0.15)
    assert found.factor == pytest.approx((0.15 + 0.05) / 0.1)
    [sentence] = describe_probes([found], [scripted.case()])
    assert sentence == "This machine takes 2 times as long as the reference, by a probe of 6 s."


def test_a_probe_that_fails_scales_nothing_and_says_why() -> None:
    [found] = ran(0.15, {"status": "timeout", "error": "ended after 120 seconds, its time limit"})
    assert found.factor is None
    [sentence] = describe_probes([found], [scripted.case()])
    assert sentence.endswith("not scaled: ended after 120 seconds, its time limit")


def test_there_is_one_short_probe_of_the_basic_model_for_each_loop_that_has_a_reference(references: None) -> None:
    models = [
        scripted.case(model=model, checkpoints=(500,), repeat=repeat)
        for model in ("deep", "basic")
        for repeat in (0, 1)
    ]
    cases = [*models, scripted.case(loop="xla"), scripted.case(threads=1), scripted.case(precision="mixed_bfloat16")]
    chosen = choose_probes(cases, 4_000)
    assert list(chosen) == [FIT]
    [(case, _forecast)] = chosen.values()
    assert case == scripted.case(checkpoints=(20,))
    sentences = describe_probes([Probe(FIT, 6.0, 1.3)], cases)
    assert sentences[0] == "This machine takes 1.3 times as long as the reference with fit, by a probe of 6 s."
    assert sentences[1].startswith("No probe with xla: ")


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
        "basic": {"epochs": tuple(scripted.epoch(number, train_s=0.15, val_s=0.05) for number in range(1, 21))}
    }
    before = show(folder, with_probe=False)
    assert script.ran == []
    after = show(folder, with_probe=True)
    assert script.ran == ["basic"]
    assert not folder.root.exists()
    assert "15 s" in before
    assert "30 s" in after
    assert "About 30 s on this machine." in after
    assert "0.1 900" in before.replace("│", "")
    assert "0.2 900" in after.replace("│", "")
    assert "2 cores of Other CPU whose reference kernel reaches 200 GFLOP/s" in after


def test_a_probe_needs_its_backend(
    folder: ReportFolder, script: Script, references: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "find_backends", list)
    with pytest.raises(InvalidInput):
        show(folder, with_probe=True)
