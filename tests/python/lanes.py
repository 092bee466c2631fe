"""Decides which tests run side by side, and in which order."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

# All other suites rely on the checks of these suites.
FIRST = ("test_truth", "test_readers")
# These suites mostly wait, for a service or for the minute of a rate limit. Each of their tests runs beside others on any
# free worker, the longest test first.
WAITING = (
    "test_thirty_days",
    "test_service",
    "test_rate_limit",
    "test_guard",
    "test_isolation",
    "test_operations",
    "test_operations_page",
    "test_backups",
    "test_runbooks",
    "test_start_page",
    "test_clock",
    "test_listener",
    "test_savings",
    "test_signals",
    "test_deploy",
    "test_lease",
)
# Each test of all other suites uses the complete machine. These tests run one after the other, on one worker.
WORKING = "working"


def place(suite: str) -> int:
    """Returns the position of a suite in the order."""
    order = (*FIRST, *WAITING)
    return order.index(suite) if suite in order else len(order)


class Lanes(LoadScopeScheduling):
    """Distributes the tests to the workers.

    When a worker dies, xdist 3.8.0 runs its test again, and waits forever for a worker with one test left.
    """

    def remove_node(self, node: Any) -> str | None:
        """Counts the test during which a worker died as done; returns its name."""
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
        """Returns the name of a group that stays on one worker: one waiting test, or all working tests."""
        suite = nodeid.partition(".py::")[0].rpartition("/")[2]
        return nodeid if suite in WAITING else WORKING

    def _assign_work_unit(self, node: Any) -> None:
        """Tells the worker with the last group that no other group follows."""
        super()._assign_work_unit(node)
        if not self.workqueue:
            node.shutdown()
