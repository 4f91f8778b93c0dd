"""Run one pure function over many specs: here in this process, in several processes, or on Ray.

Law: the results, and every file that the function writes, are the same whichever executor ran it. A spec is
computed at least once; what it publishes appears exactly once, because publishing is part of the function.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection, wait
from typing import Final, Literal, TypeVar

from dataset_builder.errors import InvalidJob, WorkerLost
from dataset_builder.executors_ray import run_on_ray

Executor = Literal["serial", "process", "ray", "slurm"]

SpecT = TypeVar("SpecT")
ResultT = TypeVar("ResultT")

# A worker that was killed (by a person, or for memory) is replaced this often before the run gives up.
MAX_LOST_WORKERS: Final = 3


def run(
    function: Callable[[SpecT], ResultT],
    specs: Sequence[SpecT],
    *,
    jobs: int,
    executor: Executor = "process",
) -> Iterator[ResultT]:
    """Yield the result of `function` for every spec, in the order in which they are ready.

    Closing the generator, an error in a worker, and Ctrl-C end all workers before control returns.

    Args:
        function: A module-level function; with more than one job it is sent to other processes by its name.
        specs: Its arguments; each must be picklable when there is more than one job.
        jobs: Number of processes, or tasks at a time; one process computes here.
        executor: "serial" computes here whatever the jobs, "ray" on a cluster.

    Raises:
        InvalidJob: The executor is "slurm", whose tasks a cluster starts; see `slurm.array_script`.
        WorkerLost: Workers were killed more than three times.
    """
    if executor == "slurm":
        raise InvalidJob(
            'executor is "slurm", which starts nothing itself: submit the script that `wordbrush data render '
            "--executor slurm` prints, or choose another."
        )
    if executor == "ray":
        yield from run_on_ray(function, specs, jobs=jobs)
        return
    if executor == "serial" or jobs == 1 or len(specs) <= 1:
        yield from map(function, specs)
        return
    yield from _run_in_processes(function, specs, min(jobs, len(specs)))


def _run_in_processes(
    function: Callable[[SpecT], ResultT], specs: Sequence[SpecT], jobs: int
) -> Iterator[ResultT]:
    """Yield results from a pool of processes; what a broken one held is computed again, in a new one."""
    # Spawned, not forked: a fork copies the locks of our caller's threads (torch, a server) half-held.
    context = multiprocessing.get_context("spawn")
    left, lost = dict(enumerate(specs)), 0
    while left:
        theirs, leash = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(theirs,))
        try:
            places = {pool.submit(function, spec): place for place, spec in left.items()}
            for future in as_completed(places):
                result = future.result()
                del left[places.pop(future)]
                yield result
        except BrokenProcessPool:
            lost += 1
            if lost > MAX_LOST_WORKERS:
                raise WorkerLost(
                    f"worker processes were killed {lost} times; the machine may be short of memory: run "
                    "again with fewer jobs."
                ) from None
        finally:
            leash.close()  # what a worker has half written is a temporary file that the next run removes
            pool.shutdown(cancel_futures=True)
            theirs.close()


def _begin(leash: Connection) -> None:
    """Make a worker end with its parent, or when its parent lets go of the leash."""
    # Ctrl-C reaches the whole process group; the parent decides what it means and ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(leash,), daemon=True).start()


def _end_with_parent(leash: Connection) -> None:
    """End this process when its parent is gone, even by kill -9: nobody would collect its work."""
    parent = multiprocessing.parent_process()
    wait([leash, *([] if parent is None else [parent.sentinel])])
    os._exit(1)
