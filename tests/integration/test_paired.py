"""A real pair: the harness' own code on both sides."""

import random
import sys
from pathlib import Path

from bench.datasets.files import write_npz
from bench.datasets.find import find_dataset
from bench.gate.paired import PairedExecutor, Side
from bench.gate.verdict import reduce_round
from bench.plan.catalog import read_model_settings
from bench.plan.profile import read_profile
from models.contract import Settings

ROOT = Path(__file__).parent.parent.parent


def test_a_pair_of_real_processes_trains_in_turns_and_equal_code_has_equal_losses(tmp_path: Path) -> None:
    settings: Settings = read_model_settings()["basic"]
    profile = read_profile("quick", {"models": ["basic"], "epochs": [1], "batch_sizes": [settings.batch_size]})
    (case,) = profile.list_cases()
    write_npz(find_dataset("mnist-5k").images, tmp_path / "data.npz")
    logs = tmp_path / "logs"
    logs.mkdir()
    base, candidate = (Side(name, ROOT, sys.executable) for name in ("base", "candidate"))
    executor = PairedExecutor(
        base, candidate, tmp_path / "data.npz", logs, blocks=5, val_images=128, chance=random.Random(1)
    )
    recorded = executor.run_round(case, images=1024, number=7)
    sides = (
        [turn for block in recorded.blocks for turn in block.base],
        [turn for block in recorded.blocks for turn in block.candidate],
    )
    losses = [[(turn.train_loss, turn.val_loss) for turn in turns] for turns in sides]
    assert losses[0] == losses[1]
    assert len(set(losses[0])) == 10, "they train on, turn by turn"
    assert all(turn.wall_s > 0 and turn.cpu_s > 0 for turns in sides for turn in turns)
    assert recorded.base_memory.peak_rss_mib > 100
    assert reduce_round(recorded).blocks <= 4, "the first one at least is warm-up"
