"""Run one pure function over many specs on a Ray cluster, or on a Ray of our own on this machine.

Reference: Moritz et al., "Ray: A Distributed Framework for Emerging AI Applications" (2018,
arXiv:1712.05889).

Law: that of `executors`. Tasks start no tasks and hold nothing while they wait, so two cores are enough; and
no more than a window of them is known to Ray at a time, however many specs there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from dataset_builder.errors import InvalidJob, WorkerLost

SpecT = TypeVar("SpecT")
ResultT = TypeVar("ResultT")

MAX_RETRIES: Final = 3
# Tasks that wait on Ray's side for each that runs: enough that no core is idle between two.
_WINDOW: Final = 2


def run_on_ray(
    function: Callable[[SpecT], ResultT], specs: Sequence[SpecT], *, jobs: int
) -> Iterator[ResultT]:
    """Yield the result of `function` for every spec, in the order in which they are ready.

    A cluster that this process is connected to, or that RAY_ADDRESS names, is used; otherwise Ray is started
    with as many cores as there are jobs, and stopped in the end.

    Args:
        function: A module-level function.
        specs: Its arguments.
        jobs: Tasks at a time, one core each.

    Raises:
        InvalidJob: Ray is not installed.
        WorkerLost: Workers died more often than Ray tries again.
    """
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        ray.init(**_own_ray(jobs))
    task = ray.remote(num_cpus=1, max_retries=MAX_RETRIES)(function)
    waiting = iter(specs)
    running: list[Any] = []
    try:
        while True:
            while len(running) < _WINDOW * jobs and (spec := next(waiting, None)) is not None:
                running.append(task.remote(spec))
            if not running:
                return
            (ready, *_), running = ray.wait(running, num_returns=1)
            yield _result(ray, ready)
    finally:
        for one in running:
            ray.cancel(one, force=True)
        if started:
            ray.shutdown()


def _ray() -> Any:
    """Return Ray, or say how to get it."""
    try:
        import ray
    except ImportError as error:
        raise InvalidJob(
            'executor is "ray", but Ray is not installed; pip install "wordbrush[ray]", or choose "process".'
        ) from error
    return ray


def _own_ray(jobs: int) -> dict[str, Any]:
    """Return how Ray is started where none runs: nothing listens beyond this machine."""
    if os.environ.get("RAY_ADDRESS"):
        return {}
    return {
        "num_cpus": jobs,
        "include_dashboard": False,
        "configure_logging": False,
        "log_to_driver": False,
        "_node_ip_address": "127.0.0.1",
    }


def _result(ray: Any, ready: Any) -> Any:
    """Return a task's result; an error in it is raised as what it was."""
    try:
        return ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        cause = getattr(error, "cause", None)
        raise cause if isinstance(cause, Exception) else error from error
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError) as error:
        raise WorkerLost(
            f"Ray's workers died {MAX_RETRIES + 1} times on one shard; the machine may be short of memory: "
            "run again with fewer jobs."
        ) from error
