"""The command line where a backend is installed: none is imported before it is needed."""

import subprocess
import sys
from pathlib import Path

from bench import cli


def test_a_plan_imports_no_keras_backend() -> None:
    program = (
        "import sys; from bench.cli import app; app(['run', '--plan'], standalone_mode=False); print(*sys.modules)"
    )
    root = Path(cli.__file__).parent.parent
    ended = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    loaded = {name.partition(".")[0] for name in ended.stdout.splitlines()[-1].split()}
    assert "bench" in loaded
    assert not loaded & {"tensorflow", "keras", "jax", "torch", "mlxtend"}
