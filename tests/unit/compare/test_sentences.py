"""A comparison in words: its title, its answer, and how cases are named."""

import re

import pytest
from unit.machines import against, fast, of, result

from bench.compare import sentences, tables
from bench.compare.machines import Comparison


def said(compared: Comparison) -> str:
    [only] = compared.others
    return " ".join(sentences.describe(only, compared.reference))


def test_the_answer_says_how_fast_then_in_how_much_time_and_memory_and_at_which_loss() -> None:
    speed, needs = sentences.answer(against(fast()))
    assert re.fullmatch(
        r"scripted-2c-effff trains 1\.98 times as fast as scripted-2c-ea1b2 \(95 %: 1\.7\d–2\.2\d\) over 2 cases, "
        r"clearly faster in 2 of them\.",
        speed,
    )
    assert needs == (
        "End to end, imports and compilation included, a training takes the same time, in 97 % of the memory; "
        "the same losses to the last bit."
    )


def test_a_slower_machine_takes_so_many_times_as_long() -> None:
    slow = of(result(seconds=6.0, total_s=30.0), result("deep", seconds=12.0, total_s=30.0), machine_id="slow")
    reference = of(result(seconds=2.0, total_s=20.0), result("deep", seconds=4.0, total_s=20.0))
    text = said(against(slow, reference=reference))
    assert "eslow takes 3.00 times as long per epoch as scripted-2c-ea1b2" in text
    assert "clearly slower in 2 of them." in text
    assert "a training takes 1.50 times as long, in the same memory;" in text


def test_a_narrow_interval_around_one_is_the_same_speed() -> None:
    alike = of(result(seconds=2.0, reach=1.0005), machine_id="alike")
    compared = against(alike, reference=of(result(seconds=2.0, reach=1.0005)))
    assert said(compared).startswith(
        "scripted-2c-ealik is as fast as scripted-2c-ea1b2, at 1.00 times its speed (95 %: 1.00–1.00) over 1 case."
    )
    assert sentences.make_title(compared) == "scripted-2c-ealik is as fast as scripted-2c-ea1b2"


def test_a_wide_interval_around_one_is_no_proof_of_the_same_speed() -> None:
    mixed = of(result(seconds=1.0), result("deep", seconds=6.0), machine_id="mmixed")
    text = said(against(mixed))
    assert text.startswith(
        "scripted-2c-emixe cannot be distinguished from scripted-2c-ea1b2, at 1.15 times its speed (95 %:"
    )
    assert "over 2 cases, clearly faster in 1 and clearly slower in 1 of them." in text
    assert "Not distinguishable from the reference" in tables.build_rank_table(against(mixed)).notes[0]
    assert tables.build_rank_table(against(fast())).notes == ()


def test_cases_that_differ_by_chance_are_not_called_faster() -> None:
    names = [f"model{number}" for number in range(20)]
    reference = of(*(result(name, seconds=1.0, reach=1.3) for name in names))
    lucky = {"model3": 0.62, "model7": 0.66}  # each one's own interval leaves 1 out
    again = of(*(result(name, seconds=lucky.get(name, 1.0), reach=1.3) for name in names))
    compared = against(again, reference=reference)
    assert sum(pair.speed.low > 1 for pair in compared.others[0].pairs if pair.speed) == 2
    assert "over 20 cases, none of them clearly faster or slower." in said(compared)


def test_the_first_sentence_says_that_it_is_the_same_machine_at_another_moment() -> None:
    text = said(against(of(result(seconds=1.0))))
    assert text.startswith("The same machine at another moment: scripted-2c-ea1b2#2 trains 2.00 times as fast")
    assert "With care" not in text


def test_the_first_sentence_says_that_it_is_the_same_machine_in_another_environment() -> None:
    upgraded = of(result(seconds=1.0), environment_id="e0", keras="9.0")
    text = said(against(upgraded))
    assert text.startswith("The same machine in another environment: ")
    assert "With care: Keras 9.0, not 3.13.2." in text
    assert "the same machine" not in said(against(fast(keras="9.0"))).lower()


def test_the_title_names_the_winner() -> None:
    xeon = of(result(seconds=2.0), source="a", machine_id="m1", cpu_model="Intel(R) Xeon(R) CPU @ 2.20GHz")
    epyc = of(result(seconds=1.0), source="b", machine_id="m2", cpu_model="AMD EPYC")
    other = of(result(seconds=4.0), source="c", machine_id="m3", cpu_model="Apple M2")
    for one, two in ((xeon, epyc), (epyc, xeon)):
        assert sentences.make_title(against(two, reference=one)) == "EPYC: 2.0 times as fast as Xeon"
    assert sentences.make_title(against(other, epyc, reference=xeon)) == (
        "EPYC: 2.0 times as fast as Xeon, the fastest of 3 machines"
    )
    assert sentences.make_title(against(xeon, other, reference=epyc)) == "EPYC: the fastest of 3 machines"


def test_the_title_says_in_plain_words_that_nobody_wins() -> None:
    reference = of(result(seconds=2.0, reach=1.5), cpu_model="AMD EPYC")
    one, two = (
        of(result(reach=1.5, seconds=1.9), cpu_model=f"C{number}", machine_id=f"m{number}") for number in (1, 2)
    )
    assert sentences.make_title(against(one, reference=reference)) == "C1 and EPYC cannot be distinguished"
    assert (
        sentences.make_title(against(one, two, reference=reference)) == "None of 2 machines is clearly faster than EPYC"
    )
    untimed = of(result(seconds=None), cpu_model="C3", machine_id="m3")
    assert sentences.make_title(against(untimed, reference=reference)) == "C3 compared with EPYC"


def test_of_many_machines_the_answer_names_the_fastest_and_the_slowest() -> None:
    machines = [of(result(seconds=1 + number), machine_id=f"{number:04d}") for number in range(9)]
    fastest, slowest = sentences.answer(against(*machines))
    assert fastest.startswith("The fastest: scripted-2c-e0000 trains 2.00 times")
    assert slowest.startswith("The slowest: scripted-2c-e0008 takes 4.50 times as long")


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (0.1, "the same losses to the last bit"),
        (0.1 + 1e-9, "the same losses but for rounding"),
        (0.1005, "the same losses within 0.5 %"),
        (0.27, "losses differ by up to 63 % (basic after 50 epochs: 0.2700, not 0.1000)"),
    ],
)
def test_losses_are_described_by_how_far_they_differ(loss: float, words: str) -> None:
    assert f"; {words}." in said(against(of(result(val_bce=loss), machine_id="other")))


def test_what_is_refused_is_said_with_its_reason() -> None:
    text = said(against(of(result(dataset_digest="e" * 64), machine_id="other")))
    assert "eothe's times per epoch are not compared with scripted-2c-ea1b2's (other data under the same name)" in text
    assert "It takes the same memory; losses are not compared (other data under the same name)." in text


def test_the_same_memory_within_a_percent_is_the_same() -> None:
    assert ", in the same memory;" in said(against(of(result(peak_anon_mib=402.0), machine_id="other")))
