"""`fit` with several steps in each call of the compiled function."""

from bench.worker.loops.fit import train

__all__ = ["train"]

BACKENDS = ("tensorflow",)
TAKES_UINT8 = False
COMPILE = {"steps_per_execution": 32}
