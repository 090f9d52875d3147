"""Rows of the blog's own runs, as reference reports have them."""

from typing import Any

import scripted

from bench.reference.references import ReferenceRow, name_report


def result(model: str = "basic", epochs: int = 50, *, report: str = "a", **changes: Any) -> ReferenceRow:
    """A row of the blog's own run on the full MNIST."""
    own: dict[str, Any] = {
        "case_id": f"{model}.{changes.get('loop', 'fit')}.{changes.get('batch_size', 256)}.{changes.get('backend')}.r0",
        "repeat": 0,
        "model": model,
        "epochs": epochs,
        "run_epochs": 500,
        "dataset": "mnist",
        "dataset_genuine": "yes",
        "train_samples": 60_000,
        "val_samples": 10_000,
        "batch_size": 256,
        "optimizer": "adadelta",
        "learning_rate": 1.0,
        "git_dirty": "no",
        "noisy_epochs": 0,
    }
    row = scripted.result_row(**own | scripted.times(changes.pop("seconds", 1.0)) | changes)
    return name_report(row, report)


BASIC = (
    result(total_s=60.0, val_bce=0.1017, train_loss=0.1036, peak_rss_mib=900.0, peak_rss_import_mib=600.0),
    result(epochs=500, total_s=600.0, val_bce=0.0921, peak_rss_mib=900.0, peak_rss_import_mib=600.0),
)
