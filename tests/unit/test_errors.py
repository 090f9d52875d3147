"""Text that is shown keeps its letters and loses what controls a terminal."""

import pytest

from bench.errors import format_count, make_one_line, quote


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\nb\tc\x07", "a b c"),
        ("\u202egnp.exe", "gnp.exe"),
        ("\x9b2J", "2J"),
        ("ночь 夜", "ночь 夜"),
    ],
)
def test_a_line_keeps_its_letters_and_loses_what_controls_a_terminal(text: str, left: str) -> None:
    assert make_one_line(text) == left


def test_what_is_too_long_is_cut_with_a_sign_of_it() -> None:
    assert quote("x" * 60, 60) == "x" * 60
    assert quote("x" * 61, 60) == "x" * 59 + "…"


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "case", "0 cases"),
        (1, "case", "1 case"),
        (1, "process", "1 process"),
        (2, "process", "2 processes"),
        (1.0, "core", "1 core"),
        (1.5, "core", "1.5 cores"),
        (10_000_000, "image", "10000000 images"),
    ],
)
def test_a_count_has_its_noun_in_the_right_number(count: float, noun: str, text: str) -> None:
    assert format_count(count, noun) == text
