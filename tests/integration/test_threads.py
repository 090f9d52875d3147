"""How many threads each backend really uses, read back in fresh processes."""

import ast
import importlib.util
import os
import subprocess
import sys

import pytest

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc and affinity are Linux's")


def run_fresh(backend: str, *lines: str, first: str = "") -> object:
    """What a fresh process prints last, with Keras on the backend; ``first`` runs before Keras is imported."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    code = "\n".join(["import os", first, "import keras", "from bench.worker.backends import load_backend", *lines])
    unset = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        (sys.executable, "-c", code),
        env={**environment, "KERAS_BACKEND": backend},
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )
    return ast.literal_eval(done.stdout.decode().splitlines()[-1])


@linux
def test_tensorflows_pools_are_distinguished_by_their_threads_names() -> None:
    counted = run_fresh(
        "tensorflow",
        "import tensorflow as tf",
        "from bench.worker.threads import count_started_threads",
        "tf.config.threading.set_intra_op_parallelism_threads(3)",
        "tf.config.threading.set_inter_op_parallelism_threads(5)",
        "seen = count_started_threads(tf.config.list_logical_devices)",
        "print((seen[''], seen['tf_Compute']))",
    )
    assert counted == (3, 5)


@linux
@pytest.mark.parametrize(
    ("backend", "expected"), [("tensorflow", (1, 1)), ("jax", (1, None)), ("torch", (1, os.cpu_count()))]
)
def test_a_backends_own_choice_on_one_cpu_is_one_thread(backend: str, expected: tuple[int | None, int | None]) -> None:
    """But for the threads that PyTorch has for operations side by side: those count the machine's processors."""
    one = "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    assert run_fresh(backend, f"print(load_backend({backend!r}).limit_threads(None))", first=one) == expected


@linux
@pytest.mark.parametrize(("backend", "expected"), [("tensorflow", (3, 3)), ("jax", (3, None)), ("torch", (3, 3))])
def test_a_limit_is_what_the_backend_uses(backend: str, expected: tuple[int | None, int | None]) -> None:
    assert run_fresh(backend, f"print(load_backend({backend!r}).limit_threads(3))") == expected
