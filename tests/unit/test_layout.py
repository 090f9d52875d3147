"""How long a file may be: one that becomes longer has a second subject."""

from pathlib import Path

import pytest

import bench

ROOT = Path(bench.__file__).parents[1]
MOST_LINES = 400
FOLDERS = ("aebench", "bench", "models", "tests")


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_is_longer_than_can_be_read_at_once(folder: str) -> None:
    files = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert files
    assert {str(path.relative_to(ROOT)): lines for path, lines in files.items() if lines > MOST_LINES} == {}
