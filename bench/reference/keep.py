"""Keep a finished report as a reference: the few files of it that are committed."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.errors import InvalidInput, quote
from bench.host.fingerprint import make_label
from bench.reference.archive import pack_epochs, read_files
from bench.reference.chosen import list_pictured
from bench.reference.references import name_report
from bench.reference.verify import judge_report
from bench.report.pictures import MOST_FILE_BYTES
from bench.results.folder import ReportFolder
from bench.results.reader import read_all_columns
from bench.results.schema import ResultRow

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
    files = read_files(report)
    members = pack_epochs(files, report)
    if (page := len(members["report.html"])) > _MOST_PAGE_BYTES:
        most = f"{_MOST_PAGE_BYTES:,} at most"
        raise InvalidInput(f"{quote(report)}: report.html has {page:,} bytes; a reference's has {most}.")
    found, rows = read_all_columns(report)
    reasons = list(judge_report(files, report).reasons)
    if any(row.git_dirty != "no" for row in rows):
        reasons.append("its code was no checkout, or one with uncommitted changes.")
    if reasons and not anyway:
        shown = [*reasons[:_FEW], *([f"and {len(reasons) - _FEW} more."] if len(reasons) > _FEW else [])]
        lines = "".join(f"\n  - {reason}" for reason in shown)
        raise InvalidInput(f"{quote(report)} is no reference; --anyway keeps it all the same:{lines}")
    out = references / f"{make_label(found.fingerprint)}-{what}"
    if out.exists():
        raise InvalidInput(f"{quote(out)} is there already: remove it first, or name WHAT otherwise.")
    _write_files(members | _read_samples(ReportFolder(report), rows), out)
    return out


def _read_samples(folder: ReportFolder, rows: Sequence[ResultRow]) -> dict[str, bytes]:
    """Read the samples that docs/answers.md shows, by their paths in the folder; those of others are not kept."""
    pictured = list_pictured([name_report(row, folder.root.name) for row in rows])
    paths = [folder.locate_sample(row.case_id, row.epochs) for row in pictured]
    inside = [path for path in paths if path.parent == folder.samples and path.is_file() and not path.is_symlink()]
    return {f"samples/{path.name}": path.read_bytes() for path in inside if path.stat().st_size <= MOST_FILE_BYTES}


def _write_files(members: Mapping[str, bytes], out: Path) -> None:
    """Write all files or none."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".keep-") as temporary:
            new = Path(temporary, out.name)
            new.mkdir()
            for name, data in members.items():
                (new / name).parent.mkdir(exist_ok=True)
                (new / name).write_bytes(data)
            new.rename(out)
    except OSError as error:
        raise InvalidInput(f"{quote(error.filename or out)} cannot be written: {error.strerror}.") from error
