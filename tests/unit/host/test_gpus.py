"""The GPUs that NVML names."""

import sys
from pathlib import Path
from typing import Any

import pytest
from unit.system import eight_threads

from bench.host import fingerprint


class ScriptedNvml:
    """NVML as `pynvml` offers it, with declared answers."""

    class NVMLError(Exception):
        """As in pynvml."""

    def __init__(self, *names: str | bytes, driver: str | bytes = "550.54.15", fails: str | None = None) -> None:
        self.names, self.driver, self.fails, self.is_open = names, driver, fails, False

    def _answer(self, call: str, value: Any) -> Any:
        if self.fails == call:
            raise self.NVMLError(call)
        return value

    def nvmlInit(self) -> None:  # noqa: N802
        self.is_open = bool(self._answer("init", value=True))

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.names)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle: int) -> Any:  # noqa: N802
        return self._answer("name", self.names[handle])

    def nvmlSystemGetDriverVersion(self) -> Any:  # noqa: N802
        return self._answer("driver", self.driver)


def test_gpus_are_listed_by_name_number_and_driver() -> None:
    nvml = ScriptedNvml("NVIDIA L4", b"NVIDIA A100-SXM4-40GB", "NVIDIA L4")
    assert fingerprint.find_gpus(nvml) == ("NVIDIA A100-SXM4-40GB, 2 x NVIDIA L4", "550.54.15")
    assert not nvml.is_open


def test_the_fingerprint_carries_the_gpu(tmp_path: Path) -> None:
    root = eight_threads(tmp_path)
    found = fingerprint.take_fingerprint(root=root, environ={}, nvml=ScriptedNvml("NVIDIA L4", driver=b"550.1"))
    assert (found.gpu, found.gpu_driver) == ("NVIDIA L4", "550.1")


@pytest.mark.parametrize("fails", ["init", "name", "driver"])
def test_a_driver_that_fails_means_no_gpu(fails: str) -> None:
    nvml = ScriptedNvml("NVIDIA L4", fails=fails)
    assert fingerprint.find_gpus(nvml) == (None, None)
    assert not nvml.is_open


def test_a_driver_without_a_gpu_is_not_mentioned() -> None:
    assert fingerprint.find_gpus(ScriptedNvml()) == (None, None)


def test_without_the_optional_module_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert fingerprint.find_gpus() == (None, None)
