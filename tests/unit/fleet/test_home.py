"""What home decides: whom it asks, who runs what, and what stops it."""

import asyncio
import errno
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import scripted

from bench.fleet import home as module
from bench.fleet import messages as say
from bench.fleet.home import Home
from bench.fleet.ledger import FleetFile, Ledger, open_ledger
from bench.fleet.member import DiskRefused, Member, Plan, Refused

HEADER = scripted.header()
FILE = FleetFile(sweep="0" * 32, spread="machines", scheduler="tcp://127.0.0.1:1", header=HEADER)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(tmp_path / "out", FILE, is_new=True) as opened:
        yield opened


def make_home(ledger: Ledger, **fields: Any) -> Home:
    return Home(distributed=None, ledger=ledger, plan=Plan(), read_images=bytes, tell=lambda _: None, **fields)


class Client:
    """A client of Dask whose machines raise an error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def run(self, *_: Any, **__: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "named"),
    [
        (ModuleNotFoundError("No module named 'bench'"), Refused, "aebench fleet worker"),
        (KeyError("tcp://a:1"), OSError, "is gone"),
        (ConnectionResetError("reset"), ConnectionResetError, "reset"),
    ],
)
def test_a_dask_worker_without_aebench_is_refused_and_one_that_is_gone_may_come_back(
    ledger: Ledger, error: Exception, kind: type[Exception], named: str
) -> None:
    home = make_home(ledger, _client=Client(error))
    with pytest.raises(kind, match=named):
        asyncio.run(home.call("tcp://a:1", say.Describe(), say.Description))


def describe_machine(home: Home, label: str = "one") -> say.Description:
    header = home.ledger.file.header
    return say.Description(
        label=label, life="1", code=home._code, fingerprint=header.fingerprint, machine_id=header.machine_id,
        environment_id=header.environment_id, running=None, sweeps={},
    )  # fmt: skip


def answer_as_machine(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a machine answer that has the images, and no rows."""

    async def call(_address: str, request: Any, _kind: Any, _data: bytes = b"") -> Any:
        match request:
            case say.SendImages():
                return say.Received(size=1, is_whole=True)
            case say.Begin():
                return home.ledger.file.header
            case say.SendRows():
                return say.Rows(rows=[], is_all=True)

    monkeypatch.setattr(home, "call", call)


def test_a_full_disk_at_home_is_no_machine_that_went_away(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_home(ledger)
    answer_as_machine(home, monkeypatch)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ledger, "open_account", refuse)
    with pytest.raises(DiskRefused, match="No space left"):
        asyncio.run(home._admit("tcp://a:1", describe_machine(home)))


def test_a_machine_that_is_broken_does_not_use_up_a_sweep_of_cases(tmp_path: Path) -> None:
    header = scripted.header(profile=scripted.profile(retries=1))
    file = FILE.model_copy(update={"spread": "cases", "header": header})
    with open_ledger(tmp_path / "cases", file, is_new=True) as ledger:
        home = make_home(ledger)
        for label in ("broken", "well", "third"):
            account = ledger.open_account(label, header)
            home.members[label] = Member(account, f"tcp://{label}:1", "1", time.monotonic())
        broken, well, third = home.members.values()
        for case in header.cases:
            broken.account.add(scripted.outcome(case, reached=1))
        assert home._choose(broken) is None
        assert home._choose(well) == header.cases[0]
        assert not home._is_done()
        well.account.add(scripted.outcome(header.cases[0], reached=1))
        assert home._choose(third) == header.cases[1], "what failed twice is left out"
        for case in header.cases[1:]:
            well.account.add(scripted.outcome(case))
        assert home._choose(third) is None
        assert home._is_done()


def test_a_collecting_home_waits_for_each_machine_that_is_there(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(ledger)
    home.plan = Plan(only_collect=True)
    workers = {address: {"last_seen": 0.0} for address in ("complete", "slow")}
    served: list[str] = []

    async def identity(**_: Any) -> Any:
        return {"workers": workers}

    async def serve(address: str) -> None:
        if address == "slow":
            await asyncio.sleep(0.2)
        account = ledger.open_account(address, HEADER)
        account.settled.update(case.case_id for case in HEADER.cases)
        home.members[address] = Member(account, address, "1", time.monotonic())
        served.append(address)

    home._client = SimpleNamespace(scheduler=SimpleNamespace(identity=identity))
    monkeypatch.setattr(module, "_LOOK_S", 0.02)
    monkeypatch.setattr(home, "_serve", serve)
    assert asyncio.run(home._watch())
    assert served == ["complete", "slow"]
