"""A machine's answers: what is no request, images that arrive, rows that home lacks, cases that wait for their turn."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import scripted

from bench.datasets.files import compute_digest, write_npz
from bench.errors import InvalidInput
from bench.fleet import machine as module
from bench.fleet import messages as say
from bench.fleet.machine import Here, Machine, answer
from bench.host.fingerprint import GitState
from bench.plan import forecast
from bench.plan.profile import Case
from bench.results.journal_lines import Outcome

SWEEP = "0" * 32


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """One whose cases end when `Gate` lets them."""
    for name, value in {
        "take_fingerprint": lambda **_: scripted.fingerprint(),
        "read_git_state": lambda _: GitState(),
        "check_backends": lambda _: None,
        "LocalExecutor": Gate,
        "measure_machine": lambda _: forecast.Machine("Scripted CPU", 2.0),
    }.items():
        monkeypatch.setattr(module, name, value)
    Gate.opened.clear()
    Gate.ran.clear()
    here = Machine(tmp_path, "one")
    monkeypatch.setattr(Here, "machine", here)
    return here


class Gate:
    """An executor whose cases wait until the gate is opened."""

    opened = threading.Event()
    ran: list[str] = []  # noqa: RUF012 - emptied by the fixture

    def __init__(self, *_: Any) -> None:
        pass

    def run(self, cases: Sequence[Case], listen: Any) -> Iterator[Outcome]:
        for case in cases:
            listen(case, None)
            self.opened.wait(30)
            self.ran.append(case.case_id)
            yield scripted.outcome(case)


def images(folder: Path) -> tuple[str, bytes]:
    found = scripted.dataset().images
    found.x_train[:] = found.x_val[:] = 200
    path = folder / "made.npz"
    write_npz(found, path)
    return compute_digest(found), path.read_bytes()


def ask(request: Any, data: bytes = b"") -> str:
    return asyncio.run(answer(request if isinstance(request, str) else request.model_dump_json(), data))


def begin(folder: Path) -> Any:
    digest, data = images(folder)
    ask(say.SendImages(digest=digest, offset=0, is_last=True), data)
    header = scripted.header(dataset_digest=digest)
    assert "refusal" not in ask(say.Begin(sweep=SWEEP, header=header))
    return header


@pytest.mark.parametrize("text", ["", "{}", '{"op": "exec"}', '{"op": "cancel", "sweep": "../x"}', "[" * 1000])
def test_what_is_no_request_is_refused(machine: Machine, text: str) -> None:
    assert "a request that is none" in ask(text)


def test_a_dask_worker_that_is_none_of_ours_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Here, "machine", None)
    assert "aebench fleet worker" in ask(say.Describe())


def test_images_arrive_in_pieces_and_once(machine: Machine, tmp_path: Path) -> None:
    digest, data = images(tmp_path)
    half = len(data) // 2
    first = say.Received.model_validate_json(ask(say.SendImages(digest=digest, offset=0), data[:half]))
    assert first == say.Received(size=half, is_whole=False)
    again = say.Received.model_validate_json(ask(say.SendImages(digest=digest, offset=0), data[:half]))
    assert again.size == half, "a piece that came twice counts once"
    last = ask(say.SendImages(digest=digest, offset=half, is_last=True), data[half:])
    assert say.Received.model_validate_json(last).is_whole
    assert say.Received.model_validate_json(ask(say.SendImages(digest=digest, offset=1 << 62))).is_whole


def test_images_of_another_digest_are_refused_and_forgotten(machine: Machine, tmp_path: Path) -> None:
    _, data = images(tmp_path)
    assert "expected aaaaaaaaaaaa" in ask(say.SendImages(digest="a" * 64, offset=0, is_last=True), data)
    assert "as something else" in ask(say.SendImages(digest="b" * 64, offset=0, is_last=True), b"no archive")
    assert list((tmp_path / "datasets").iterdir()) == []


def test_a_sweep_needs_its_images_and_a_collector_begins_none(machine: Machine) -> None:
    assert "has not arrived" in ask(say.Begin(sweep=SWEEP, header=scripted.header()))
    assert "has nothing of this sweep" in ask(say.Begin(sweep=SWEEP, header=scripted.header(), may_be_new=False))
    assert "was not begun here" in ask(say.SendRows(sweep=SWEEP, have={}))


def test_a_case_that_is_asked_for_twice_runs_once_and_home_gets_what_it_lacks(machine: Machine, tmp_path: Path) -> None:
    first, second = begin(tmp_path).cases[:2]
    run_first = say.RunCase(sweep=SWEEP, case=first, attempt=1)

    async def ask_for_both() -> list[Any]:
        requests = (run_first, run_first, say.RunCase(sweep=SWEEP, case=second, attempt=1))
        waiting = asyncio.gather(*(machine.answer(request, b"") for request in requests))
        await asyncio.sleep(0)
        Gate.opened.set()
        return await waiting

    def work() -> None:
        while (job := machine._jobs.get()) is not None:
            machine._run(job)

    thread = threading.Thread(target=work)
    thread.start()
    replies = asyncio.run(ask_for_both())
    machine._jobs.put(None)
    thread.join(30)
    assert replies[0] == replies[1]
    assert Gate.ran == [first.case_id, second.case_id]
    stored = say.Rows.model_validate_json(ask(say.SendRows(sweep=SWEEP, have={first.case_id: 1})))
    assert stored.is_all
    (row,) = stored.rows
    assert Outcome.model_validate_json(row).case == second
    again = say.Ended.model_validate_json(ask(run_first))
    assert again.row is not None
    assert Outcome.model_validate_json(again.row).attempt == 1
    assert Gate.ran == [first.case_id, second.case_id], "a case that has a row is not run again"


def test_another_machine_cannot_go_on_with_a_sweep(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = begin(tmp_path)
    machine._open.close()
    monkeypatch.setattr(module, "take_fingerprint", lambda **_: scripted.fingerprint(keras="9.9"))
    later = Machine(tmp_path, "one")
    with pytest.raises(InvalidInput, match=r"keras.*there '3.13.2', now '9.9'"):
        later._begin(say.Begin(sweep=SWEEP, header=header))


def test_a_worker_that_ends_keeps_the_hours_of_its_sweeps(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[str, list[Any]]] = []
    monkeypatch.setattr(module, "measure_hours", lambda rows: {0: [row.case_id for row in rows if row.is_last]})
    monkeypatch.setattr(module, "keep_hours", lambda machine_id, rates: kept.append((machine_id, rates)))
    header = begin(tmp_path)
    Gate.opened.set()
    machine._ask(say.RunCase(sweep=SWEEP, case=header.cases[0], attempt=1))
    machine._jobs.put(None)
    machine.work()
    assert [rates for _, rates in kept] == [[[header.cases[0].case_id]]]
    assert kept[0][0].startswith("m")


def test_a_resume_changes_the_limits_of_a_sweep_that_is_open(machine: Machine, tmp_path: Path) -> None:
    header = begin(tmp_path)
    profile = header.profile.model_copy(update={"timeout_s": 7.0, "stall_s": 5.0})
    machine._begin(say.Begin(sweep=SWEEP, header=header.model_copy(update={"profile": profile})))
    executor = machine._sweeps[SWEEP].executor
    assert (executor.timeout_s, executor.stall_s) == (7.0, 5.0)


def test_cases_are_foretold_by_what_the_machine_reached_at_its_start(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    foretold, given = forecast.Forecast(5.0, 1.0, 800.0), []

    def foretell(cases: Sequence[Case], _samples: int, here: forecast.Machine) -> dict[str, forecast.Forecast]:
        given.append(here)
        return {cases[0].name: foretold}

    monkeypatch.setattr(forecast, "forecast_cases", foretell)
    header = begin(tmp_path)
    assert given == [forecast.Machine("Scripted CPU", 2.0)]
    assert machine._sweeps[SWEEP].header.forecasts == {header.cases[0].name: foretold}
