"""`fit` whose step XLA compiles, one step at a time."""

from bench.worker.loops.fit import train

__all__ = ["train"]

BACKENDS = ("tensorflow",)
TAKES_UINT8 = False
COMPILE = {"jit_compile": True}
