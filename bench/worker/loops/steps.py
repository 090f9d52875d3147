"""`fit` with several steps in each call: ``compile(steps_per_execution=32)``.

Why 32: on two cores of an AMD EPYC the basic model's epochs were 1.25 times as fast as those of `fit` with 8 steps per
call, 1.3 times with 16, and no faster with 32, 64 or 1,000; those of the deep one 1.3 times with 8 and 1.4 from 16 on
(batches of 256 of 4,000 and of 20,000 images, in turns). Twice the 16 that suffice leave room for a model or a machine
whose steps take less time.

An epoch of fewer steps is one call; where 32 does not divide an epoch, its last call takes the steps that are left.
On JAX, Keras calls the compiled step as often as before, but does less between two calls.
"""

from bench.worker.loops.fit import train

__all__ = ["train"]

BACKENDS = ("tensorflow", "jax")
TAKES_UINT8 = False
COMPILE = {"steps_per_execution": 32}
