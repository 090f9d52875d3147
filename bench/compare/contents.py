"""What all forms of a comparison show: its title, its answer, its tables, and what was not compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from bench.compare import sentences, tables
from bench.compare.costs import ModelCost, build_cost_table, compare_costs, describe_costs
from bench.compare.machines import Comparison
from bench.console.table import Table


@dataclass(frozen=True)
class ComparisonReport:
    """A comparison with what is said of it. Its sentences and tables are made once, when they are first asked for."""

    comparison: Comparison
    remarks: tuple[str, ...] = ()
    """What a person should know about how the reports were read."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """Per hour, by the machine's label; costs are compared where there are some."""

    @property
    def title(self) -> str:
        """Who is faster, and by how much."""
        return sentences.make_title(self.comparison)

    @cached_property
    def answer(self) -> list[str]:
        """A few sentences, the speed first."""
        costs = describe_costs(self.costs, self.prices) if self.prices else []
        return [*sentences.answer(self.comparison), *costs]

    @cached_property
    def costs(self) -> list[ModelCost]:
        """What each model costs to train to the same loss."""
        return compare_costs(self.comparison, self.prices) if self.prices else []

    @cached_property
    def main_tables(self) -> list[Table]:
        """What stands below the answer: one table, and the costs where there are prices."""
        costs = build_cost_table(self.costs, sentences.name_cases(self.comparison.cases))
        return [table for table in (tables.build_main_table(self.comparison), costs) if table.rows]

    @cached_property
    def tables(self) -> list[Table]:
        """All that have rows, the main ones first."""
        return [*self.main_tables, *tables.build_other_tables(self.comparison)]

    @cached_property
    def notes(self) -> list[str]:
        """What was not compared, and what was remarked when the reports were read."""
        return [*sentences.describe_missing(self.comparison), *self.remarks]
