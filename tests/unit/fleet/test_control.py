"""What `aebench fleet stop` ends, and what it leaves."""

import io
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from bench.fleet import control, messages

DONE = messages.Done().model_dump_json()
NOT_OURS = messages.Refusal(refusal="none of aebench").model_dump_json()


class Client:
    """A client of a Dask scheduler whose workers answer as asked for."""

    def __init__(self, replies: dict[str, Any]) -> None:
        self.replies = replies
        self.is_ended = False
        self.scheduler = SimpleNamespace(terminate=self.terminate)

    def __await__(self) -> Generator[Any, None, "Client"]:
        yield from ()
        return self

    async def run(self, *_: Any, **__: Any) -> dict[str, Any]:
        return self.replies

    async def terminate(self) -> None:
        self.is_ended = True

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        ({"a": DONE, "b": DONE}, "Stopped 2 machines and the scheduler"),
        ({"a": DONE}, "Stopped 1 machine and the scheduler"),
        ({"a": DONE, "b": ModuleNotFoundError("bench")}, "Stopped 1 machine. The scheduler runs on: 1 other Dask"),
        ({"a": NOT_OURS}, "Stopped 0 machines. The scheduler runs on: 1 other Dask worker there"),
    ],
)
def test_a_scheduler_with_other_workers_is_left(
    monkeypatch: pytest.MonkeyPatch, replies: dict[str, Any], said: str
) -> None:
    client = Client(replies)
    monkeypatch.setattr(control, "import_distributed", lambda: SimpleNamespace(Client=lambda *_, **__: client))
    monkeypatch.setattr(control, "require_scheduler", lambda _: None)
    output = io.StringIO()
    assert control.stop_fleet("tcp://127.0.0.1:1", Console(file=output, width=200)) == 0
    assert said in output.getvalue()
    assert client.is_ended == ("and the scheduler" in said)
