"""The command line: what goes wrong is one message, exit code 2, and nothing half-written."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scripted import Script

import bench
from bench import cli
from bench.gate import regress
from bench.gate.regress import RegressRequest
from bench.plan import catalog
from bench.plan.profile import DATASET_SIZES, LEARNING_RATES, list_profiles
from bench.sweep import run
from bench.sweep.flags import SweepRequest

BASIC = ("--models", "basic", "--epochs", "1,3", "--batch-sizes", "4", "--repeats", "1")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Script) -> Path:
    """An empty working folder; no case is run for real."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for variable in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "GITHUB_ACTIONS"):
        monkeypatch.delenv(variable, raising=False)
    return folder


def aebench(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["aebench", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    assert code is None or isinstance(code, int)
    return code or 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--profile", "qiuck"), ("'qiuck'", "did you mean 'quick'")),
        (("--profile", "absent.toml"), ("absent.toml", "No such file")),
        (("--models", "basci"), ("--models", "'basci'", "did you mean 'basic'")),
        (("--models", ""), ("--models",)),
        (("--models", "basic,basic"), ("--models", "more than once", "basic")),
        (("--dataset", "minst"), ("--dataset", "'minst'", "did you mean 'mnist'")),
        (("--loops", "fti"), ("--loops", "'fti'", "did you mean 'fit'")),
        (("--backends", "jaxx"), ("--backends", "'jaxx'", "did you mean 'jax'")),
        (("--precisions", "float3"), ("--precisions", "'float3'", "float32")),
        (("--threads", "0"), ("--threads", "1 or more", "0")),
        (("--threads", "1,1"), ("--threads", "more than once")),
        (("--threads", "two"), ("--threads", "two", "whole numbers")),
        (("--optimizer", "sgd"), ("--optimizer", "sgd", "adadelta")),
        (("--epochs", "0"), ("--epochs", "0")),
        (("--epochs", "-5"), ("--epochs", "-5")),
        (("--epochs", "100,50"), ("--epochs", "[100, 50]", "ascend")),
        (("--epochs", "1.5"), ("--epochs", "1.5", "50,100,500")),
        (("--epochs", "many"), ("--epochs", "many", "50,100,500")),
        (("--epochs", "9" * 5000), ("--epochs",)),
        (("--batch-sizes", "0"), ("--batch-sizes", "0")),
        (("--batch-sizes", "8,8"), ("--batch-sizes", "8")),
        (("--batch-sizes", "41"), ("41", "40 training images")),
        (("--repeats", "0"), ("--repeats", "0")),
        (("--repeats", "two"), ("--repeats", "integer")),
        (("--minutes", "0"), ("--minutes", "more than 0", "0")),
        (("--minutes", "nan"), ("--minutes", "nan")),
        (("--minutes", "soon"), ("--minutes", "valid")),
        (("--within", "101"), ("--within", "100 or less", "101")),
        (("--repeats", "3", "--within", "4"), ("--within", "--minutes")),
        (("--seed", "-1"), ("--seed", "-1")),
        (("--timeout", "0"), ("--timeout", "0")),
        (("--timeout", "nan"), ("--timeout", "nan")),
        ((*BASIC, "--out", "taken"), ("taken", "--resume", "--out")),
        ((*BASIC, "--out", "file"), ("file", "--out")),
        ((*BASIC, "--out", "file/child"), ("file/child", "cannot be written", "--out")),
        (("--resume",), ("--resume", "--out")),
        (("--resume", "--out", "absent"), ("absent", "journal", "--resume")),
        (("--resume", "--out", "taken"), ("taken", "journal", "--resume")),
        (("--verbose",), ("--verbose",)),
    ],
)
def test_bad_input_is_one_message_with_exit_code_2_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    here: Path,
    script: Script,
    arguments: tuple[str, ...],
    named: tuple[str, ...],
) -> None:
    (here / "file").write_text("mine")
    (here / "taken").mkdir()
    (here / "taken" / "thesis.txt").write_text("mine")
    before = sorted(here.rglob("*"))
    assert aebench(monkeypatch, "run", *arguments) == 2
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err + printed.out
    assert printed.out == ""
    for expected in named:
        assert expected in printed.err
    assert sorted(here.rglob("*")) == before
    assert (here / "file").read_text() == "mine"
    assert script.ran == []


def test_a_file_with_four_mistakes_is_one_message_with_four_paths(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / "mine.toml").write_text('epochs = [0]\nbatch_sizes = [8]\nseed = -1\nloop = "fit"\nmodels = ["bsaic"]\n')
    assert aebench(monkeypatch, "run", "--profile", "mine.toml") == 2
    message = capsys.readouterr().err
    assert message.count("aebench: ") == 1
    assert "mine.toml has 4 mistakes" in message
    for path in ("  epochs.0: ", "  seed: ", "  loop: ", "  models: "):
        assert path in message


@pytest.mark.parametrize("arguments", [("report", "absent"), ("report",), ("bench",), ("run", "extra")])
def test_wrong_commands_exit_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert aebench(monkeypatch, *arguments) == 2
    printed = capsys.readouterr()
    assert printed.err
    assert "Traceback" not in printed.err


def test_a_run_writes_where_out_says_and_exits_with_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Path, script: Script
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert aebench(monkeypatch, "run", *BASIC, "--out", "mine") == 0
    assert script.ran == ["basic"]
    assert (here / "mine" / "report.md").is_file()
    printed = capsys.readouterr()
    assert printed.err == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", printed.out)
    assert "…" not in printed.out


def test_a_failed_case_exits_with_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], script: Script
) -> None:
    script.endings = {"basic": {"reached": 1}}
    assert aebench(monkeypatch, "run", *BASIC, "--out", "mine") == 3
    assert "ValueError: scripted" in capsys.readouterr().out


def test_an_interrupted_run_exits_with_130_and_is_resumed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], script: Script
) -> None:
    script.interrupt_at = "basic"
    assert aebench(monkeypatch, "run", *BASIC, "--out", "mine") == 130
    assert "aebench run --resume --out mine" in capsys.readouterr().out
    script.interrupt_at = None
    assert aebench(monkeypatch, "run", "--resume", "--out", "mine") == 0
    assert aebench(monkeypatch, "report", "mine") == 0


def test_ctrl_c_before_the_first_case_exits_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    def interrupted(_request: SweepRequest) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run_sweep", interrupted)
    assert aebench(monkeypatch, "run", *BASIC) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_what_the_system_refuses_is_said_also_where_a_library_found_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    def refuse(_request: SweepRequest) -> int:
        raise OSError("a writable folder is needed; set MPLCONFIGDIR")  # Matplotlib's on a read-only disk, in short

    monkeypatch.setattr(run, "run_sweep", refuse)
    assert aebench(monkeypatch, "run", *BASIC) == 3
    said = capsys.readouterr().err
    assert said == "aebench: the system refused: a writable folder is needed; set MPLCONFIGDIR.\n", "nothing was begun"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_exit_codes_of_children_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert aebench(monkeypatch, "--version") == 0
        assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_plan_prints_the_cases_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Path, script: Script
) -> None:
    assert aebench(monkeypatch, "run", "--plan") == 0
    printed = capsys.readouterr().out
    assert f"{2 * len(catalog.read_model_settings()) + 4} cases" in printed
    assert printed.count("· batch 128") == printed.count("· batch 256") == len(catalog.read_model_settings()) + 2
    assert list(here.iterdir()) == []
    assert script.ran == []


def test_a_probe_without_a_plan_is_refused_in_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here: Path, script: Script
) -> None:
    assert aebench(monkeypatch, "run", "--probe") == 2
    assert "--probe scales the times that --plan shows" in capsys.readouterr().err
    assert script.ran == []


def asked_of_regress(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> RegressRequest:
    """What the command line makes of its arguments."""
    requests: list[RegressRequest] = []

    def kept(request: RegressRequest) -> int:
        requests.append(request)
        return 5

    monkeypatch.setattr(regress, "regress", kept)
    assert aebench(monkeypatch, "regress", *arguments) == 5
    return requests[0]


def test_flags_of_regress_are_percent_and_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked_of_regress(
        monkeypatch,
        *("--base", "HEAD~1", "--minimum-effect", "2.5", "--most-discarded", "45", "--budget", "20"),
        *("--cases", "basic, deep"),
    )
    assert (request.base, request.minimum_effect, request.budget_s) == ("HEAD~1", 0.025, 1200.0)
    assert request.most_discarded == 0.45
    assert request.cases == ["basic", "deep"]


def test_regress_without_flags_takes_the_merge_base_and_the_sentinels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked_of_regress(monkeypatch) == RegressRequest()


@pytest.mark.parametrize(("command", "shown"), [("models", "variational"), ("datasets", "mnist-5k")])
def test_lists_are_printed_into_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, shown: str
) -> None:
    assert aebench(monkeypatch, command) == 0
    assert shown in capsys.readouterr().out


def test_the_models_are_listed_with_parameters_and_the_blogs_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aebench(monkeypatch, "models")
    printed = capsys.readouterr().out
    for expected in ("basic", "50,992", "sparse_batch_sum", "variational", "404,244", "0.11", "7.3", "0.094"):
        assert expected in printed


COMMANDS = (
    *("run", "advise", "report", "compare", "regress", "check", "bands", "submit", "verify"),
    *("models", "datasets", "machine"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_h_is_help_at_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = []
    for flag in ("-h", "--help"):
        assert aebench(monkeypatch, command, flag) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "Usage: aebench" in shown[0]
    assert "…" not in shown[0], "no example is cut in 80 columns"
    assert max(map(len, shown[0].splitlines())) <= 80
    assert re.search(rf"Examples?:\s+aebench {command}\b", shown[0]), "every command has an example"


def test_the_flags_of_run_are_in_panels_with_their_choices_and_three_examples(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    aebench(monkeypatch, "run", "--help")
    shown = capsys.readouterr().out
    for panel in ("What to measure", "How", "Limits", "Output"):
        assert f"─ {panel} ─" in shown
    listed = [*catalog.read_loop_backends(), *catalog.read_backends(), *LEARNING_RATES, *DATASET_SIZES]
    for choice in (*listed, *list_profiles()):
        assert re.search(rf"\b{choice}\b", shown), choice
    assert shown.partition("Examples:")[2].count("aebench run ") == 3


def test_every_command_is_in_the_list_of_the_tests() -> None:
    registered = [command.name or getattr(command.callback, "__name__", "") for command in cli.app.registered_commands]
    assert sorted(registered) == sorted(COMMANDS)


def test_the_version_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert aebench(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"aebench {bench.__version__}\n"


@pytest.mark.parametrize(
    ("typed", "expected"), [("aebench re", {"report", "regress"}), ("aebench run --ep", {"--epochs"})]
)
def test_a_shell_completes_commands_and_flags(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, expected: set[str]
) -> None:
    monkeypatch.setenv("_AEBENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    assert aebench(monkeypatch) == 0
    assert set(capsys.readouterr().out.split()) == expected


# --- started as a program --------------------------------------------------------------------------------------------


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(cli.__file__).parent.parent
    return subprocess.run([sys.executable, *arguments], cwd=root, capture_output=True, text=True, check=False)


def test_python_m_bench_is_the_same_program() -> None:
    ended = python("-m", "bench", "--help")
    assert ended.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", ended.stdout)
    for flag in ("--version", "--install-completion", "-h"):
        assert flag in ended.stdout
    assert ended.stderr == ""


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(flag: str) -> None:
    program = f"import sys; from bench.cli import app; app([{flag!r}], standalone_mode=False); print(*sys.modules)"
    ended = python("-c", program)
    assert ended.returncode == 0, ended.stderr
    loaded = {name.partition(".")[0] for name in ended.stdout.splitlines()[-1].split()}
    assert "bench" in loaded
    assert not loaded & {"tensorflow", "keras", "jax", "torch", "numpy", "pandas", "scipy", "mlxtend", "matplotlib"}


@pytest.mark.parametrize("given", ["low", "0.12;0.1", "0", "-0.1", "nan", "inf"])
def test_thresholds_that_are_none_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    assert aebench(monkeypatch, "report", "DIR", "--thresholds", given) == 2
    message = capsys.readouterr().err
    assert "--thresholds" in message
    assert given in message
