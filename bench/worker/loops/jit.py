"""`fit` whose step XLA compiles, each step a call of its own: ``compile(jit_compile=True)``.

On JAX Keras compiles the step without being asked, and on TensorFlow where there is a GPU: there it is `fit`.
"""

from bench.worker.loops.fit import train

__all__ = ["train"]

BACKENDS = ("tensorflow",)
TAKES_UINT8 = False
COMPILE = {"jit_compile": True}
