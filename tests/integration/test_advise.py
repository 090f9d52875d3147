"""What is advised, pasted into a script like the blog's: it runs, and ends at the same loss."""

from pathlib import Path

import blog_script
import pytest

from bench.datasets.files import write_npz
from bench.datasets.find import find_dataset
from bench.report.advice import describe_change
from bench.report.variants import Way

EPOCHS = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "images.npz"
    write_npz(find_dataset("mnist-5k").images, path)
    return path


@pytest.fixture(scope="module")
def plain(data: Path) -> blog_script.Run:
    return blog_script.run_script("", data, EPOCHS)


@pytest.mark.parametrize(
    ("way", "tolerance"),
    [
        (Way("tensorflow", "steps_jit", "float32", None), 1e-4),
        (Way("tensorflow", "steps", "float32", 1), 1e-4),
        (Way("tensorflow", "jit", "mixed_bfloat16", None), 0.05),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_script_with_the_line_pasted_runs_and_ends_at_the_same_loss(
    way: Way, tolerance: float, data: Path, plain: blog_script.Run
) -> None:
    change = describe_change(way)
    assert blog_script.write_script(change) != blog_script.write_script()
    pasted = blog_script.run_script(change, data, EPOCHS)
    assert pasted.val_loss == pytest.approx(plain.val_loss, rel=tolerance)
