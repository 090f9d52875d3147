"""`steps` and `jit` in one."""

from bench.worker.loops.fit import train

__all__ = ["train"]

BACKENDS = ("tensorflow",)
TAKES_UINT8 = False
COMPILE = {"steps_per_execution": 32, "jit_compile": True}
