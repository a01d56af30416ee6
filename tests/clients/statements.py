"""Random tables and random statements, in the SQL that Paratope and DuckDB have in common."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from random import Random
from typing import Any

# Few values of each kind, so that rows meet: keys match, lists contain, rows are double.
VALUES: dict[str, list[Any]] = {
    "INT": [-2, -1, 0, 1, 2, 3],
    "BIGINT": [-3, 0, 1, 2, 2**40],
    # Exact in binary, so that no order of additions matters.
    "DOUBLE": [-1.5, 0.0, 0.5, 1.0, 2.5],
    "TEXT": ["a", "ab", "b%", "B", "é", "it's", "a_c"],
    "BOOLEAN": [True, False],
    "DATE": [datetime.date(2024, 2, 28) + datetime.timedelta(days) for days in range(4)],
}
NUMBERS = ("INT", "BIGINT", "DOUBLE")


def literal(value: Any) -> str:
    """A value in SQL."""
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).upper()
        case str():
            return "'" + value.replace("'", "''") + "'"
        case datetime.date():
            return f"DATE '{value}'"
        case _:
            return str(value)


@dataclass(frozen=True)
class Table:
    """A table and the kinds of its columns."""

    name: str
    columns: dict[str, str]
    partition: str | None

    def create(self, partitioned: bool = True) -> str:
        """DuckDB has no partitions in its own tables."""
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns.items())
        by = f" PARTITIONED BY ({self.partition})" if partitioned and self.partition else ""
        return f"CREATE TABLE {self.name} ({columns}){by}"

    def of_kind(self, kind: str) -> list[str]:
        """Columns of one kind."""
        return [name for name, other in self.columns.items() if other == kind]


@dataclass
class Writer:
    """Writes statements over a target and another table with the same columns."""

    rng: Random
    target: Table
    other: Table
    _aliases: int = 0

    @classmethod
    def of(cls, rng: Random, number: int) -> Writer:
        """Two new tables."""
        kinds = ["INT"] + rng.choices(list(VALUES), k=rng.randint(1, 3))
        columns = {f"c{index}": kind for index, kind in enumerate(kinds)}
        free = [name for name, kind in columns.items() if kind != "DOUBLE"]
        partition = rng.choice(free) if rng.random() < 0.35 and len(columns) > 1 else None
        return cls(
            rng, Table(f"t{number}", columns, partition), Table(f"s{number}", columns, None)
        )

    def setting_up(self) -> list[str]:
        """Rows for both tables, by several statements: several files. Sometimes none."""
        statements = []
        for table in (self.target, self.other):
            files = self.rng.choices([0, 1, 2, 3], [1, 3, 3, 2])[0]
            statements += [self._insert_values(table, self.rng.randint(1, 9)) for _ in range(files)]
        return statements

    def statement(self) -> str:
        """One statement that changes the target."""
        makers = [self._insert, self._update, self._update, self._delete, self._merge, self._merge]
        return self.rng.choice(makers)()

    def _alias(self) -> str:
        self._aliases += 1
        return f"i{self._aliases}"

    def _value(self, kind: str) -> str:
        return literal(None if self.rng.random() < 0.15 else self.rng.choice(VALUES[kind]))

    def _known(self, kind: str) -> str:
        return literal(self.rng.choice(VALUES[kind]))

    def _column(self) -> tuple[str, str]:
        return self.rng.choice(list(self.target.columns.items()))

    def _table(self) -> str:
        """Where subqueries look: the other table or, self-referencing, the target."""
        return self.rng.choice([self.other, self.other, self.target]).name

    def _insert_values(self, table: Table, rows: int, columns: list[str] | None = None) -> str:
        named = list(columns or table.columns)
        values = ", ".join(
            "(" + ", ".join(self._value(table.columns[name]) for name in named) + ")"
            for _ in range(rows)
        )
        which = f" ({', '.join(named)})" if columns else ""
        return f"INSERT INTO {table.name}{which} VALUES {values}"

    def _insert(self) -> str:
        names = list(self.target.columns)
        if self.rng.random() < 0.5:
            some = self.rng.sample(names, self.rng.randint(1, len(names)))
            return self._insert_values(self.target, self.rng.randint(1, 4), some)
        alias = self._alias()
        # Named, because DataFusion wants different names for the columns of a query.
        values = ", ".join(
            f"{self._new_value(kind, alias)} AS {name}"
            for name, kind in self.target.columns.items()
        )
        table = self._table()
        if self.rng.random() < 0.3:
            # VALUES within a query have types of their own, not the table's.
            cells = [self._known(kind) for kind in self.target.columns.values()]
            table = f"(VALUES ({', '.join([*cells, '0.5'])})) "
            alias += f" ({', '.join([*self.target.columns, 'half'])})"
        row = alias.split()[0]
        return (
            f"INSERT INTO {self.target.name} SELECT {values} FROM {table} AS {alias}"
            f" WHERE {self.predicate(row)}"
        )

    def _update(self) -> str:
        alias = self._alias()
        return (
            f"UPDATE {self.target.name} AS {alias} SET {self._assignments(alias)}"
            + self._where(alias)
        )

    def _delete(self) -> str:
        alias = self._alias()
        return f"DELETE FROM {self.target.name} AS {alias}" + self._where(alias)

    def _where(self, alias: str) -> str:
        return "" if self.rng.random() < 0.04 else f" WHERE {self.predicate(alias)}"

    def _assignments(self, alias: str, source: str | None = None) -> str:
        names = self.rng.sample(list(self.target.columns), self.rng.randint(1, 2))
        return ", ".join(
            f"{name} = {self._new_value(self.target.columns[name], alias, source)}"
            for name in names
        )

    def _merge(self) -> str:
        key = self.rng.choice(list(self.target.columns))
        inner, source, row = self._alias(), self._alias(), self._alias()
        # The keys of the source are unique: what happens otherwise is a test of its own.
        columns = ", ".join(
            f"{inner}.{name}" if name == key else f"max({inner}.{name}) AS {name}"
            for name in self.target.columns
        )
        where = f" WHERE {self.predicate(inner)}" if self.rng.random() < 0.5 else ""
        rows = f"(SELECT {columns} FROM {self._table()} AS {inner}{where} GROUP BY {inner}.{key})"
        also = f" AND {self._simple(row)}" if self.rng.random() < 0.2 else ""
        kinds = ["MATCHED", "MATCHED", "NOT MATCHED", "NOT MATCHED BY SOURCE"]
        open_kinds, clauses = set(kinds), []
        for kind in self.rng.choices(kinds, k=self.rng.randint(1, 5)):
            if kind in open_kinds:
                clauses.append(self._clause(kind, row, source))
                # DuckDB refuses a clause that a former one leaves nothing for.
                if f"WHEN {kind} THEN" in clauses[-1]:
                    open_kinds.remove(kind)
        return (
            f"MERGE INTO {self.target.name} AS {row} USING {rows} AS {source}"
            f" ON {row}.{key} = {source}.{key}{also} {' '.join(clauses)}"
        )

    def _clause(self, kind: str, row: str, source: str) -> str:
        seen = source if kind == "NOT MATCHED" else row
        condition = f" AND {self._simple(seen)}" if self.rng.random() < 0.6 else ""
        if kind == "NOT MATCHED":
            names = self.rng.sample(
                list(self.target.columns), self.rng.randint(1, len(self.target.columns))
            )
            values = [
                self.rng.choice([f"{source}.{name}", self._value(self.target.columns[name])])
                for name in names
            ]
            action = f"INSERT ({', '.join(names)}) VALUES ({', '.join(values)})"
        elif self.rng.random() < 0.4:
            action = "DELETE"
        else:
            other = source if kind == "MATCHED" else None
            name, of = self._column()
            action = f"UPDATE SET {name} = {self._plain_value(of, row, other)}"
        return f"WHEN {kind}{condition} THEN {action}"

    def _new_value(self, kind: str, alias: str, source: str | None = None) -> str:
        """A value of one kind for a row called `alias`."""
        choice = self.rng.random()
        if choice < 0.7:
            return self._plain_value(kind, alias, source)
        if choice < 0.8:
            one, two = (self._plain_value(kind, alias, source) for _ in range(2))
            return f"CASE WHEN {self._simple(alias)} THEN {one} ELSE {two} END"
        columns = self.target.of_kind(kind)
        if not columns:
            return self._value(kind)
        inner = self._alias()
        of = self.rng.choice(["max", "min"])
        where = f" WHERE {inner}.c0 = {alias}.c0" if choice < 0.92 else ""
        picked = f"{of}({inner}.{self.rng.choice(columns)})"
        return f"(SELECT {picked} FROM {self._table()} AS {inner}{where})"

    def _plain_value(self, kind: str, alias: str, source: str | None) -> str:
        columns = self.target.of_kind(kind)
        if not columns or self.rng.random() < 0.3:
            return self._value(kind)
        column = f"{self.rng.choice([alias, source or alias])}.{self.rng.choice(columns)}"
        match kind:
            case "INT" | "BIGINT" | "DOUBLE":
                changed = [f"{column} + 1", f"-{column}", f"{column} - {alias}.{columns[0]}"]
            case "TEXT":
                changed = [f"upper({column})", f"{column} || 'x'", f"substr({column}, 1, 1)"]
            case "BOOLEAN":
                changed = [f"NOT {column}", self._simple(alias)]
            case _:
                changed = []
        return self.rng.choice([column, f"coalesce({column}, {self._known(kind)})", *changed])

    def predicate(self, alias: str, depth: int = 0) -> str:
        """A condition on a row called `alias`, with subqueries."""
        choice = self.rng.random()
        if depth < 2 and choice < 0.3:
            left, right = (self.predicate(alias, depth + 1) for _ in range(2))
            # Without inner parentheses: what binds closer is part of the comparison.
            return self.rng.choice(
                [
                    f"({left} AND {right})",
                    f"({left} OR {right})",
                    f"NOT ({left})",
                    f"(NOT {self._simple(alias)} AND {self._simple(alias)} OR {left})",
                ]
            )
        return self._simple(alias) if choice < 0.6 else self._subquery(alias)

    def _simple(self, alias: str) -> str:
        name, kind = self._column()
        column = f"{alias}.{name}"
        operator = self.rng.choice(["=", "<>", "<", "<=", ">", ">="])
        same = f"{alias}.{self.rng.choice(self.target.of_kind(kind))}"
        listed = ", ".join(self._value(kind) for _ in range(self.rng.randint(1, 4)))
        low, high = self._known(kind), self._known(kind)
        choices = [
            f"{column} {operator} {self._known(kind)}",
            f"{column} {operator} {same}",
            f"{column} IN ({listed})",
            f"{column} NOT IN ({listed})",
            f"{column} IS NULL",
            f"{column} IS NOT NULL",
            f"{column} BETWEEN {low} AND {high}",
            f"{column} IS {self.rng.choice(['', 'NOT '])}DISTINCT FROM {self._value(kind)}",
            self.rng.choice(["FALSE", "NULL", "TRUE", f"{column} = NULL", "1 = 0"]),
        ]
        if kind == "TEXT":
            pattern = self.rng.choice(["a%", "%b", "_", "%", "a_c", "%%", "A%"])
            choices += [f"{column} LIKE '{pattern}'", f"{column} NOT LIKE '{pattern}'"]
        return self.rng.choice(choices)

    def _subquery(self, alias: str) -> str:
        name, kind = self._column()
        inner, table = self._alias(), self._table()
        also = f" AND {self._simple(inner)}" if self.rng.random() < 0.5 else ""
        same = self.rng.choice(self.target.of_kind(kind))
        matched = f"SELECT 1 FROM {table} AS {inner} WHERE {inner}.{same} = {alias}.{name}{also}"
        rows = f"FROM {table} AS {inner} WHERE {self._simple(inner)}"
        correlated = f"FROM {table} AS {inner} WHERE {inner}.c0 = {alias}.c0{also}"
        operator = self.rng.choice(["=", "<>", "<", ">="])
        return self.rng.choice(
            [
                f"{alias}.{name} IN (SELECT {inner}.{same} {rows})",
                f"{alias}.{name} NOT IN (SELECT {inner}.{same} {rows})",
                f"{alias}.{name} IN (SELECT {inner}.{same} {correlated})",
                f"EXISTS ({matched})",
                f"NOT EXISTS ({matched})",
                f"{alias}.{name} {operator} (SELECT max({inner}.{same}) {rows})",
                f"{alias}.{name} {operator} (SELECT min({inner}.{same}) {correlated})",
                f"(SELECT count(*) {correlated}) {operator} {self.rng.randint(0, 2)}",
            ]
        )
