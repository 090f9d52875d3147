"""`fit` with several steps of XLA's in each call: ``compile(steps_per_execution=32, jit_compile=True)``.

Why 32, and where XLA compiles anyway: see `steps` and `jit`.
"""

from bench.worker.loops.fit import train

__all__ = ["train"]

BACKENDS = ("tensorflow",)
TAKES_UINT8 = False
COMPILE = {"steps_per_execution": 32, "jit_compile": True}
