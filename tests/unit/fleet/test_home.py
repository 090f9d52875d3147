"""What home decides: whom it asks, who runs what, and what stops it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scripted

from bench.fleet import messages as say
from bench.fleet.home import Home
from bench.fleet.ledger import FleetFile, Ledger, open_ledger
from bench.fleet.member import Plan, Refused

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
