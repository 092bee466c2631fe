"""Evaluates the part of PromQL that the alert rules use, over scrapes of running services.

`promql-parser` parses the expressions and checks their types, as Prometheus does. This module walks its tree. Whatever it
does not know fails: an expression is never judged by half. `increase` and `deriv` use the scrapes as they are; Prometheus
also extrapolates to the ends of the window, which changes the value and never its sign.
"""

import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import promql_parser as parser
from metrics import Metrics

LOOKBACK_SECONDS = 300
NAME = "__name__"

Labels = dict[str, str]
Sample = tuple[float, float]
"""An instant in seconds, and a value."""
Vector = list[tuple[Labels, float]]

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a / b if b else math.nan,
}
SETS = {"and", "unless", "or"}


@dataclass
class Target:
    """What Prometheus knows of one target: its labels, and its scrapes."""

    labels: Labels
    scrapes: list[tuple[float, Metrics | None]] = field(default_factory=list)


@dataclass
class History:
    """The scrapes of several targets, in order of time."""

    targets: dict[tuple[str, str], Target] = field(default_factory=dict)

    def scraped(self, at: float, metrics: Metrics | None, job: str, instance: str) -> None:
        """Adds a scrape of a target; `None` is one that failed."""
        labels = {"job": job, "instance": instance}
        target = self.targets.setdefault((job, instance), Target(labels))
        assert not target.scrapes or target.scrapes[-1][0] < at, "scrapes go on in time"
        target.scrapes.append((at, metrics))

    def forget(self, job: str, instance: str) -> None:
        """Removes a target, as if no scrape configuration named it."""
        self.targets.pop((job, instance), None)

    def series(self, start: float, end: float) -> Iterator[tuple[Labels, list[Sample], float]]:
        """Yields each series with its samples after `start` and until `end`, and the instant of the target's last scrape."""
        for target in self.targets.values():
            within = [(at, one) for at, one in target.scrapes if start < at <= end]
            found: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
            for at, metrics in within:
                up = (("__name__", "up"),)
                found.setdefault(up, []).append((at, 0.0 if metrics is None else 1.0))
                for one in metrics.samples if metrics else ():
                    key = tuple(sorted({**one.labels, NAME: one.name}.items()))
                    found.setdefault(key, []).append((at, one.value))
            last = within[-1][0] if within else start
            for key, samples in found.items():
                yield {**dict(key), **target.labels}, samples, last


def parse(expression: str) -> Any:
    """Parses an expression; fails as Prometheus does if it is none."""
    return parser.parse(expression)


def selectors(expression: str) -> list[Any]:
    """Returns the selectors of an expression."""
    found: list[Any] = []

    def visit(node: Any) -> None:
        if isinstance(node, parser.MatrixSelector):
            found.append(node.vector_selector)
        elif isinstance(node, parser.VectorSelector):
            found.append(node)

    parser.walk(parse(expression), visit)
    return found


def metric_names(expression: str) -> set[str]:
    """Returns the names of the metrics that an expression asks for."""
    return {one.name for one in selectors(expression)}


def matched(expression: str, label: str) -> set[str | None]:
    """Returns the values of a label that an expression asks for; `None` for a selector that does not name the label."""
    found: set[str | None] = set()
    for selector in selectors(expression):
        values = [one.value for one in selector.matchers.matchers if one.name == label]
        found.update(values or [None])
    return found


def evaluate(expression: str, history: History, at: float) -> Vector:
    """Returns the series of an expression at an instant. An alert is true while there is one."""
    value = _Evaluation(history, at).of(parse(expression))
    assert isinstance(value, list), f"{expression!r} is no vector"
    return value


@dataclass(frozen=True)
class _Evaluation:
    history: History
    at: float

    def of(self, node: Any) -> Any:
        """Returns the value of a node: a number or a vector."""
        match node:
            case parser.NumberLiteral():
                return node.val
            case parser.ParenExpr():
                return self.of(node.expr)
            case parser.VectorSelector():
                return self._instant(node)
            case parser.Call():
                return self._call(node.func.name, node.args)
            case parser.AggregateExpr():
                return self._sum(node)
            case parser.BinaryExpr():
                return self._binary(node)
        raise AssertionError(f"not evaluated here: {type(node).__name__} {node}")

    def _instant(self, selector: Any) -> Vector:
        # A series that is missing from its target's last scrape has ended.
        return [
            (labels, samples[-1][1])
            for labels, samples, last in self._matching(selector, LOOKBACK_SECONDS)
            if samples[-1][0] == last
        ]

    def _matching(
        self, selector: Any, seconds: float
    ) -> Iterator[tuple[Labels, list[Sample], float]]:
        assert selector.offset is None and selector.at is None, f"not evaluated here: {selector}"
        for labels, samples, last in self.history.series(self.at - seconds, self.at):
            if labels[NAME] == selector.name and all(
                _matches(one, labels.get(one.name, "")) for one in selector.matchers.matchers
            ):
                yield labels, samples, last

    def _call(self, name: str, arguments: Any) -> Any:
        given = list(arguments)
        if name == "time":
            return self.at
        if name == "absent":
            equal = [one for one in given[0].matchers.matchers if one.op == parser.MatchOp.Equal]
            absent = ({one.name: one.value for one in equal}, 1.0)
            return [] if self.of(given[0]) else [absent]
        window = WINDOWS.get(name)
        assert window, f"not evaluated here: {name}()"
        (matrix,) = given
        assert isinstance(matrix.range, timedelta)
        seconds = matrix.range.total_seconds()
        found = self._matching(matrix.vector_selector, seconds)
        values = ((_unnamed(labels), window(samples)) for labels, samples, _ in found)
        return [(labels, value) for labels, value in values if value is not None]

    def _sum(self, node: Any) -> Vector:
        assert str(node.op) == "sum", f"not evaluated here: {node.op}"
        groups: dict[tuple[tuple[str, str], ...], float] = {}
        for labels, value in self.of(node.expr):
            key = tuple(sorted(_grouped(labels, node.modifier).items()))
            groups[key] = groups.get(key, 0.0) + value
        return [(dict(key), value) for key, value in groups.items()]

    def _binary(self, node: Any) -> Any:
        name, left, right = str(node.op), self.of(node.lhs), self.of(node.rhs)
        modifier = node.modifier
        assert not (modifier and modifier.return_bool), "not evaluated here: bool"
        if name in SETS:
            return _set_operation(name, left, right, modifier)
        if isinstance(left, list) and isinstance(right, list):
            return _matched(name, left, right, modifier)
        if isinstance(left, list):
            return _each(name, [(labels, value, value, right) for labels, value in left])
        if isinstance(right, list):
            return _each(name, [(labels, value, left, value) for labels, value in right])
        return ARITHMETIC[name](left, right)


def _each(name: str, pairs: list[tuple[Labels, float, float, float]]) -> Vector:
    """Applies an operator to pairs of values. A comparison keeps the value of the vector."""
    if name in COMPARISONS:
        return [(labels, kept) for labels, kept, a, b in pairs if COMPARISONS[name](a, b)]
    return [(_unnamed(labels), ARITHMETIC[name](a, b)) for labels, _, a, b in pairs]


def _matched(name: str, left: Vector, right: Vector, modifier: Any) -> Vector:
    assert not modifier or modifier.card == parser.VectorMatchCardinality.OneToOne
    others = {_key(labels, modifier): value for labels, value in right}
    assert len(others) == len(right), "several series on the right have the same labels"
    keys = [_key(labels, modifier) for labels, _ in left]
    assert len(set(keys)) == len(keys), "several series on the left have the same labels"
    pairs = [
        (labels, value, value, others[key])
        for (labels, value), key in zip(left, keys, strict=True)
        if key in others
    ]
    return _each(name, pairs)


def _set_operation(name: str, left: Vector, right: Vector, modifier: Any) -> Vector:
    there = {_key(labels, modifier) for labels, _ in right}
    if name == "or":
        own = {_key(labels, modifier) for labels, _ in left}
        return left + [one for one in right if _key(one[0], modifier) not in own]
    wanted = name == "and"
    return [one for one in left if (_key(one[0], modifier) in there) == wanted]


def _key(labels: Labels, modifier: Any) -> tuple[tuple[str, str], ...]:
    matching = modifier.matching if modifier else None
    kept = _unnamed(labels)
    if matching is not None:
        include = matching.type == parser.LabelModifierType.Include
        names = set(matching.labels)
        kept = {name: value for name, value in kept.items() if (name in names) == include}
    # A label without a value is the same as none.
    return tuple(sorted((name, value) for name, value in kept.items() if value))


def _grouped(labels: Labels, modifier: Any) -> Labels:
    if modifier is None:
        return {}
    names, by = set(modifier.labels), modifier.type == parser.AggModifierType.By
    return {name: value for name, value in _unnamed(labels).items() if (name in names) == by}


def _unnamed(labels: Labels) -> Labels:
    return {name: value for name, value in labels.items() if name != NAME}


def _matches(matcher: Any, value: str) -> bool:
    match matcher.op:
        case parser.MatchOp.Equal:
            return value == str(matcher.value)
        case parser.MatchOp.NotEqual:
            return value != str(matcher.value)
        case parser.MatchOp.Re:
            return re.fullmatch(matcher.value, value) is not None
    raise AssertionError(f"not evaluated here: {matcher.op}")


def _increase(samples: list[Sample]) -> float | None:
    if len(samples) < 2:
        return None
    pairs = zip(samples, samples[1:], strict=False)
    # A counter that falls began again at zero.
    return sum(after - before if after >= before else after for (_, before), (_, after) in pairs)


def _changes(samples: list[Sample]) -> float:
    pairs = zip(samples, samples[1:], strict=False)
    return float(sum(after != before for (_, before), (_, after) in pairs))


def _deriv(samples: list[Sample]) -> float | None:
    """Returns the slope of the least squares."""
    if len(samples) < 2:
        return None
    middle = sum(at for at, _ in samples) / len(samples)
    mean = sum(value for _, value in samples) / len(samples)
    above = sum((at - middle) * (value - mean) for at, value in samples)
    return above / sum((at - middle) ** 2 for at, _ in samples)


WINDOWS: dict[str, Callable[[list[Sample]], float | None]] = {
    "increase": _increase,
    "changes": _changes,
    "deriv": _deriv,
    "present_over_time": lambda _: 1.0,
}
