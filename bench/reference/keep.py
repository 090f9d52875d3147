"""Keep a finished report as a reference: the few files of it that are committed."""

import gzip
import re
import shutil
import tempfile
from pathlib import Path

from bench.errors import InvalidInput, quote
from bench.host.fingerprint import make_label
from bench.reference.archive import read_files
from bench.reference.verify import judge_report
from bench.results.folder import ReportFolder
from bench.results.reader import read_all_columns

REFERENCES = Path("reports/reference")
_MOST_PAGE_BYTES = 1_500_000
_FEW = 10


def keep_report(report: Path, what: str, references: Path = REFERENCES, *, anyway: bool = False) -> Path:
    """Copy a report into `<references>/<machine>-<what>`; returns that folder.

    Raises `InvalidInput` where the name is none, a file is missing, unreadable or too large, the folder is there
    already, or, unless ``anyway``, `aebench verify` refuses it or the code had uncommitted changes.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", what):
        raise InvalidInput(f"WHAT is a few of a-z, 0-9 and hyphens, such as blog-fit; got {quote(what, 60)!r}.")
    source = ReportFolder(report)
    found, rows = read_all_columns(source.results)
    reasons = list(judge_report(read_files(report), report).reasons)
    if any(row.git_dirty != "no" for row in rows):
        reasons.append("its code was no checkout, or one with uncommitted changes.")
    if reasons and not anyway:
        shown = [*reasons[:_FEW], *([f"and {len(reasons) - _FEW} more."] if len(reasons) > _FEW else [])]
        lines = "".join(f"\n  - {reason}" for reason in shown)
        raise InvalidInput(f"{quote(report)} is no reference; --anyway keeps it all the same:{lines}")
    out = references / f"{make_label(found.fingerprint)}-{what}"
    if out.exists():
        raise InvalidInput(f"{quote(out)} is there already: remove it first, or name WHAT otherwise.")
    _copy_files(source, out)
    return out


def _copy_files(source: ReportFolder, out: Path) -> None:
    """Copy all files or none."""
    try:
        page = source.page.stat().st_size
        if page > _MOST_PAGE_BYTES:
            raise InvalidInput(
                f"{quote(source.page)} has {page:,} bytes; a reference's has {_MOST_PAGE_BYTES:,} at most."
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".keep-") as temporary:
            new = Path(temporary, out.name)
            new.mkdir()
            for file in (source.results, source.environment, source.report, source.page):
                shutil.copyfile(file, new / file.name)
            # Without a time, the same epochs are the same bytes.
            packed = gzip.compress(source.epochs.read_bytes(), mtime=0)
            (new / f"{source.epochs.name}.gz").write_bytes(packed)
            new.rename(out)
    except OSError as error:
        name = quote(error.filename or source.root)
        raise InvalidInput(f"{name}: {error.strerror}. Give the folder of a finished `aebench run`.") from error
