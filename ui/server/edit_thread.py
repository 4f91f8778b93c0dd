"""The thread that computes edits: one edit at a time, and all of them in this one thread.

Each thread that calls torch gets helpers of its own from OpenMP, as many as there are cores. Once two
threads have theirs, there are more of them than cores, and GNU's OpenMP (libgomp, `team.c` and `wait.h`:
the throttled spin count) puts a helper to sleep after each piece of work in place of letting it wait for the
next. A thread that ends takes its helpers along.

Law: edits are computed in one thread, which stays; models are loaded in threads that end.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

DEVICE_QUEUE: Mapping[str, Any] = {"concurrency_id": "device", "concurrency_limit": 1}
"""Everything that takes the accelerator waits in one line of gradio's."""


@dataclass(frozen=True, slots=True, eq=False)
class EditThread:
    """The one thread that edits are computed in."""

    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "edits"))

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do a piece of an edit; who brings it waits for it, and is told what it raises."""
        return self._thread.submit(work, *args, **kwargs).result()


def in_passing(load: Callable[[], T]) -> T:
    """Load something in a thread that ends with it, or with the program; what it raises is passed on."""
    loaded: Future[T] = Future()

    def carry_out() -> None:
        try:
            loaded.set_result(load())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            loaded.set_exception(error)

    Thread(target=carry_out, daemon=True).start()
    return loaded.result()
