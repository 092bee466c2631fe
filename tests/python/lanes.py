"""Which tests run beside which, and in which order."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

# Every other suite relies on what these prove.
FIRST = ("test_truth", "test_readers")
# These wait, for a service or for the minute of a rate limit: each of their tests runs beside the others, on whichever
# worker is free, the longest first.
WAITING = (
    "test_thirty_days",
    "test_service",
    "test_rate_limit",
    "test_guard",
    "test_isolation",
    "test_operations",
    "test_operations_page",
    "test_clock",
    "test_listener",
    "test_savings",
    "test_signals",
)
# Each test of all other suites takes the whole machine: those run one after the other, on one worker.
WORKING = "working"


def place(suite: str) -> int:
    """Returns when the turn of a suite comes."""
    order = (*FIRST, *WAITING)
    return order.index(suite) if suite in order else len(order)


class Lanes(LoadScopeScheduling):
    """Gives the tests to the workers.

    Where a worker dies, xdist 3.8.0 runs the same test again, and waits for ever for a worker that has one test left.
    """

    def remove_node(self, node: Any) -> str | None:
        """Counts the test that a worker died of as done; returns its name."""
        units = self.assigned_work[node]
        left = [(unit, test) for unit in units.values() for test, done in unit.items() if not done]
        if left:
            unit, died_of = left[0]
            unit[died_of] = True
        for scope in [scope for scope, unit in units.items() if all(unit.values())]:
            del units[scope]
        super().remove_node(node)
        return left[0][1] if left else None

    def _split_scope(self, nodeid: str) -> str:
        """Returns the name of what stays together: one waiting test, or all that work."""
        suite = nodeid.partition(".py::")[0].rpartition("/")[2]
        return nodeid if suite in WAITING else WORKING

    def _assign_work_unit(self, node: Any) -> None:
        """Tells the worker that takes the last unit that no other one follows."""
        super()._assign_work_unit(node)
        if not self.workqueue:
            node.shutdown()
