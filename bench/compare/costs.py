"""What it costs to train a model to the same loss on machines that are paid by the hour."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.compare.cases import Machine
from bench.compare.machines import Comparison
from bench.compare.sentences import format_fraction
from bench.console.table import Table
from bench.errors import InvalidInput, format_count, join_names, quote, split_list
from bench.report.tables import format_loss, format_total

_HOUR_S = 3600
_SHOWN = 10
_ALIKE = 1.01
"""Losses that are so much higher count as reached: other loops and batch orders end as far apart."""


@dataclass(frozen=True, slots=True)
class Training:
    """The training of a model that reached a loss soonest on one machine."""

    total_s: float
    """From the process' start to the checkpoint at which the loss was reached."""
    cost: float
    """In the unit of the prices."""
    case: str
    epochs: int


@dataclass(frozen=True)
class ModelCost:
    """A model trained to the same loss on every machine that has a price."""

    model: str
    val_bce: float
    """The lowest loss that all of them reached and 1 %, in nats per pixel."""
    trainings: Mapping[str, Training]
    """By the machine's label."""


# ------------------------------------------------------------------ the prices


def parse_prices(text: str, machines: Sequence[Machine]) -> dict[str, float]:
    """Parse "A=0.4,B=1.1": prices per hour by the labels of the machines; reports are named by label or by name.

    Raises `InvalidInput` where a name or a price is none, or fewer than two machines have one.
    """
    prices: dict[str, float] = {}
    for part in split_list(text):
        name, equals, number = part.rpartition("=")
        if not equals:
            raise InvalidInput(
                f"--price-per-hour takes NAME=PRICE,NAME=PRICE, such as A=0.4,B=1.1; got {quote(part)!r}."
            )
        label = _find_label(name.strip(), machines)
        if label in prices:
            raise InvalidInput(f"--price-per-hour names {quote(name)!r} twice.")
        prices[label] = _parse_price(name, number.strip())
    if len(prices) < 2:
        raise InvalidInput(
            f"--price-per-hour takes the prices of two machines or more; got {len(prices)}. {_list_known(machines)}"
        )
    return prices


def _find_label(name: str, machines: Sequence[Machine]) -> str:
    found = [each.label for each in machines if each.label == name] or [
        each.label for each in machines if each.source == name
    ]
    if len(found) == 1:
        return found[0]
    what = "several reports are called" if found else "no report is called"
    raise InvalidInput(f"--price-per-hour: {what} {quote(name)!r}. {_list_known(machines)}")


def _list_known(machines: Sequence[Machine]) -> str:
    return f"Known: {join_names([each.label for each in machines], _SHOWN)}."


def _parse_price(name: str, number: str) -> float:
    try:
        price = float(number)
    except ValueError:
        price = math.nan
    if not 1e-9 < price < 1e9:
        raise InvalidInput(
            f"--price-per-hour: the price of {quote(name)!r} is {quote(number)!r}; expected a number above 0."
        )
    return price


# ------------------------------------------------------------------ the costs


def compare_costs(comparison: Comparison, prices: Mapping[str, float]) -> list[ModelCost]:
    """What each model costs to train to within 1 % of the lowest loss that every machine with a price reached.

    Of each machine the training counts that got there soonest, whatever its batch size or loop.
    """
    machines = [each for each in _list_machines(comparison) if each.label in prices]
    found = []
    for model in dict.fromkeys(row.model for row in comparison.cases.values()):
        reached = [_list_trainings(each, model, prices[each.label]) for each in machines]
        digests = set.intersection(*({digest for digest, _, _ in each} for each in reached))
        known = [[(loss, training) for digest, loss, training in each if digest in digests] for each in reached]
        if digests:
            reached_by_all = max(min(loss for loss, _ in each) for each in known)
            target = max(reached_by_all, _ALIKE * reached_by_all)  # a negative loss becomes lower by the factor
            soonest = [min((t for loss, t in each if loss <= target), key=lambda t: t.total_s) for each in known]
            found.append(ModelCost(model, target, dict(zip([each.label for each in machines], soonest, strict=True))))
    return found


def _list_machines(comparison: Comparison) -> list[Machine]:
    return [comparison.reference, *(each.machine for each in comparison.others)]


def _list_trainings(machine: Machine, model: str, price: float) -> list[tuple[str, float, Training]]:
    """The checkpoints of a model that have a loss and a time: the data's digest, the loss, the training up to it."""
    return [
        (
            figures.dataset_digest,
            figures.loss,
            Training(figures.total_s, figures.total_s / _HOUR_S * price, name, figures.epochs),
        )
        for name, case in machine.cases.items()
        if case.row.model == model
        for figures in case.checkpoints
        if figures.loss is not None and figures.total_s is not None
    ]


# ------------------------------------------------------------------ in words and in a table


def describe_costs(costs: Sequence[ModelCost], prices: Mapping[str, float]) -> list[str]:
    """Which machine is the cheapest to the same loss, and what the others cost; in a sentence."""
    if not costs:
        return ["Costs are not compared: no model reached a loss on all machines that have a price."]
    (best, least), *others = rank_costs(costs)
    ratios = [f"{format_fraction(least / cost)} of what {label} does" for label, cost in others[:_SHOWN]]
    at = ", ".join(f"{label} {prices[label]:g}" for label in list(costs[0].trainings)[:_SHOWN])
    over = f"over {format_count(len(costs), 'model')} (per hour: {at})"
    return [f"To the same loss {best} costs {' and '.join(ratios)}, {over}."]


def rank_costs(costs: Sequence[ModelCost]) -> list[tuple[str, float]]:
    """The machines with the geometric mean of their costs over the models, the cheapest first."""
    labels = list(costs[0].trainings)
    means = [(label, statistics.geometric_mean([each.trainings[label].cost for each in costs])) for label in labels]
    return sorted(means, key=lambda line: line[1])


def build_cost_table(costs: Sequence[ModelCost], short: Mapping[str, str]) -> Table:
    """A row per model: the loss that all reached, each machine's cost, then all their seconds and how they trained."""
    labels = list(costs[0].trainings) if costs else []
    rows = tuple(
        (
            each.model,
            format_loss(each.val_bce),
            *(_format_cost(each.trainings[label].cost) for label in labels),
            " · ".join(format_total(each.trainings[label].total_s) for label in labels),
            "; ".join(dict.fromkeys(_name_training(each, label, short) for label in labels)),
        )
        for each in costs
    )
    notes = (
        "bce: the lowest that all of them reached, and 1 %.",
        "Cost: total s / 3600 × price, of the training that reached it soonest, imports and compilation included.",
    )
    headers = ("model", "bce ≤", *(f"cost on {label}" for label in labels), "total s", "trained by")
    return Table("What the same loss costs", headers, rows, notes=notes, optional=("trained by", "total s"))


def _name_training(of: ModelCost, label: str, short: Mapping[str, str]) -> str:
    training = of.trainings[label]
    return f"{short[training.case].removeprefix(of.model).lstrip(' ·')}, {format_count(training.epochs, 'epoch')}"


def _format_cost(cost: float) -> str:
    """With three significant figures, and never an exponent."""
    return f"{cost:.{max(0, 2 - math.floor(math.log10(cost)))}f}"
