"""Keep a finished report as a reference: the few files of it that are committed."""

import gzip
import json
import re
import shutil
import tempfile
from pathlib import Path

from bench.errors import InvalidInput, format_count, join_names, quote
from bench.host.fingerprint import make_label
from bench.results.folder import ReportFolder
from bench.results.reader import read_all_columns
from bench.results.schema import ResultRow

REFERENCES = Path("reports/reference")
_MOST_PAGE_BYTES = 1_500_000
_MOST_STATUS_BYTES = 1 << 24
_FEW = 3


def keep_report(report: Path, what: str, references: Path = REFERENCES, *, anyway: bool = False) -> Path:
    """Copy a report into `<references>/<machine>-<what>`; returns that folder.

    Raises `InvalidInput` where the name is none, a file is missing or too large, the folder is there already, or,
    unless ``anyway``, the sweep did not end, a case failed, the code had uncommitted changes or the data are not known
    to be genuine.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", what):
        raise InvalidInput(f"WHAT is a few of a-z, 0-9 and hyphens, such as blog-fit; got {quote(what, 60)!r}.")
    source = ReportFolder(report)
    found, rows = read_all_columns(source.results)
    reasons = [*filter(None, [find_unfinished(source)]), *find_reasons_against(rows)]
    if reasons and not anyway:
        raise InvalidInput(f"{quote(report)} is no reference: {'; '.join(reasons)}. --anyway keeps it all the same.")
    out = references / f"{make_label(found.fingerprint)}-{what}"
    if out.exists():
        raise InvalidInput(f"{quote(out)} is there already: remove it first, or name WHAT otherwise.")
    _copy_files(source, out)
    return out


def find_unfinished(report: ReportFolder) -> str | None:
    """Say that a sweep was interrupted or has not ended, by its status.json; None where every case was run."""
    try:
        with report.status.open("rb") as file:
            status = json.loads(file.read(_MOST_STATUS_BYTES))
        cases = status["cases"]
        left, planned = int(cases["not_run"]), int(cases["planned"])
        is_known = status["complete"] is True or left > 0 or bool(status["failures"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        is_known = False
    if not is_known:
        return "whether its sweep ended is not known, as its status.json cannot be read; `aebench report DIR` writes it"
    return f"{left} of {format_count(planned, 'case')} were not run; `--resume` goes on" if left else None


def find_reasons_against(rows: tuple[ResultRow, ...]) -> list[str]:
    """Why these rows make no reference."""
    failed = list(dict.fromkeys(row.case_id for row in rows if row.status != "ok"))
    reasons = [f"{format_count(len(failed), 'case')} failed ({join_names(failed, _FEW)})"] if failed else []
    if any(row.git_dirty != "no" for row in rows):
        reasons.append("its code was no checkout, or one with uncommitted changes")
    if any(row.dataset_genuine != "yes" for row in rows):
        reasons.append("its images are not known to be those of their name")
    return reasons


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
