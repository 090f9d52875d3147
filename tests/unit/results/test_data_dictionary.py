"""The data dictionary is whole and up to date."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

import bench
from bench.host.fingerprint import Fingerprint
from bench.results import data_dictionary
from bench.results.process_schema import EpochRow, PhaseRow
from bench.results.schema import ResultRow

PROMISED = """
    schema_version case_id model backend loop precision optimizer batch_size epochs run_epochs dataset dataset_digest
    train_samples val_samples seed repeat status error train_loss val_loss val_bce epoch_s_median epoch_s_quiet
    epoch_s_low epoch_s_high epoch_s_error steady_epochs val_s_median first_epoch_s import_s build_s train_total_s
    total_s cpu_total_s samples_per_s peak_rss_mib peak_rss_method peak_rss_import_mib peak_rss_data_mib
    peak_rss_build_mib
    peak_rss_train_mib peak_rss_val_mib peak_anon_mib peak_sampled_mib params flops_per_sample gflop_per_s
    peak_fraction bound
    steal_percent noisy_epochs machine_id environment_id started_at git_commit git_dirty
"""
PROMISED_OF_AN_EPOCH = "case_id epoch train_s val_s callback_s train_loss val_loss rss_mib noise"


def test_the_written_dictionary_is_what_the_row_types_say() -> None:
    written = Path(bench.__file__).parent.parent / "reports" / "COLUMNS.md"
    assert written.read_text(encoding="utf-8") == data_dictionary.render_markdown(), "stale: run `nox -s columns`"


def test_results_csv_has_every_promised_column() -> None:
    assert set(PROMISED.split()) <= set(ResultRow.model_fields)
    assert set(Fingerprint.model_fields) <= set(ResultRow.model_fields)


def test_epochs_csv_has_every_promised_column() -> None:
    assert set(PROMISED_OF_AN_EPOCH.split()) <= set(EpochRow.model_fields)


@pytest.mark.parametrize("kind", [ResultRow, EpochRow, PhaseRow])
def test_every_column_is_described_and_says_when_it_is_empty(kind: type[BaseModel]) -> None:
    for name, field in kind.model_fields.items():
        assert field.description, name
        extra = field.json_schema_extra
        assert isinstance(extra, dict), name
        optional = type(None) in getattr(field.annotation, "__args__", ())
        assert bool(extra["empty"]) == optional == (not field.is_required()), name


@pytest.mark.parametrize("kind", [ResultRow, EpochRow, PhaseRow])
def test_a_column_named_after_its_unit_has_that_unit(kind: type[BaseModel]) -> None:
    units = {"_s": "s", "_mib": "MiB", "_percent": "%"}
    for name, field in kind.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict), name
        for suffix, unit in units.items():
            if name.endswith(suffix) and not name.endswith("_per_s"):
                assert extra["unit"] == unit, name


def test_every_line_of_the_dictionary_has_four_cells() -> None:
    lines = [line for line in data_dictionary.render_markdown().splitlines() if line.startswith("|")]
    of_results = len(data_dictionary._RESULTS)
    assert len(lines) == sum(len(kind.model_fields) for kind in (ResultRow, EpochRow, PhaseRow)) + 2 * (of_results + 2)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {5}
