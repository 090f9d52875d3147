"""What the page of a comparison says first, in large letters and on cards."""

from unit.machines import against, of, result

from bench.compare.cases import Machine
from bench.compare.contents import ComparisonReport
from bench.compare.headline import write_answer
from bench.report.render import Answer


def machine(cpu: str, seconds: float | None, total_s: float = 10.0, reach: float = 1.02, **changes: object) -> Machine:
    rows = (result(name, seconds, reach, total_s=total_s, peak_anon_mib=changes.get("mib", 400.0)) for name in "ab")
    return of(*rows, machine_id=f"m-{cpu}-{changes.get('number', 0)}", cpu_model=cpu)


def write(reference: Machine, *others: Machine, **prices: float) -> Answer:
    return write_answer(ComparisonReport(against(*others, reference=reference), prices=prices), ())


def test_the_headline_names_the_winner_and_how_long_a_whole_training_takes() -> None:
    epyc, xeon = machine("EPYC", 1.0, 10.0), machine("Xeon", 2.0, 15.0)
    expected = ("EPYC trains ", "2.00 times as fast", " as Xeon; from start to end ", "10.0 s", ", not ", "15.0 s")
    assert write(xeon, epyc).headline == write(epyc, xeon).headline == expected
    assert "over 2 cases" in write(xeon, epyc).details


def test_the_headline_says_that_nobody_wins() -> None:
    one, two = machine("EPYC", 1.0, 10.0, reach=1.5), machine("Xeon", 1.1, 11.0, reach=1.5)
    headline = write(one, two).headline
    assert "".join(headline) == "Xeon and EPYC cannot be distinguished; from start to end 11.0 s and 10.0 s"
    alike = write(machine("EPYC", 1.0, reach=1.0001), machine("Xeon", 1.0, reach=1.0001)).headline
    assert "".join(alike).startswith("Xeon is as fast as EPYC;")
    untimed = write(one, machine("Xeon", None)).headline
    assert untimed == ("Xeon's times per epoch are not compared with EPYC's",)


def test_cards_have_speed_total_time_memory_losses_and_costs() -> None:
    cards = write(machine("EPYC", 1.0, 10.0), machine("Xeon", 2.0, 20.0, mib=500.0), EPYC=1.0, Xeon=2.0).cards
    assert [(card.label, card.figure) for card in cards] == [
        ("Xeon, per epoch", "0.50 ×"),
        ("Xeon, end to end", "0.50 ×"),
        ("Xeon, memory", "125 %"),
        ("Losses", "the same"),
        ("Cheapest to the same loss", "EPYC"),
    ]
    assert cards[0].remark == "clearly slower in 2 of 2 cases"
    assert cards[-1].words == "costs 25 % of what Xeon does"


def test_a_few_machines_have_a_card_each_by_rank() -> None:
    answer = write(machine("EPYC", 1.0), machine("Xeon", 2.0), machine("Ryzen", 0.5))
    assert [card.label for card in answer.cards] == ["Ryzen", "EPYC", "Xeon"]
    assert answer.headline[1] == "2.0 times as fast"
    assert "EPYC 10.0 s, Ryzen 10.0 s, Xeon 10.0 s" in answer.details


def test_of_many_machines_the_details_say_where_the_reference_stands() -> None:
    answer = write(machine("EPYC", 1.0), *(machine("Xeon", 1.5 + number, number=number) for number in range(9)))
    assert answer.cards == ()
    assert answer.details.endswith("is number 1 of 10.")


def test_the_same_machine_is_called_so() -> None:
    assert write(machine("EPYC", 1.0), machine("EPYC", 2.0)).details.startswith("The same machine at another moment. ")
