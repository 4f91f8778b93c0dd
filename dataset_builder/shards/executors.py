"""Run one pure function over many specs: here in this process, in several processes, or on Ray.

Law: the results, and every file that the function writes, are the same whichever executor ran it. A spec is
computed at least once; what it publishes appears exactly once, because publishing is part of the function.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Generic, Literal, TypeVar

from dataset_builder.errors import InvalidJob, WorkerLost
from dataset_builder.shards.executors_ray import run_on_ray

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
    processes = _Processes(function, deque(specs), min(jobs, len(specs)))
    try:
        yield from processes.work()
    finally:
        processes.dismiss()


@dataclass(kw_only=True, slots=True)
class _Worker(Generic[SpecT]):
    """A process, our end of its pipe, and what it is computing."""

    process: BaseProcess
    pipe: Connection
    spec: SpecT


class _Processes(Generic[SpecT, ResultT]):
    """The workers of one run and what is left to do.

    Each worker has its own pipe, so that a worker killed in the middle of a message harms no other. A shared
    queue (`multiprocessing.Pool`) would wait for the lost task for ever; `concurrent.futures` ends all when
    one is killed, and with them hours of rendering, the models they hold, and leaves files half written.
    """

    def __init__(self, function: Callable[[SpecT], ResultT], waiting: deque[SpecT], size: int) -> None:
        self._function = function
        self._waiting = waiting
        self._size = size
        self._lost = 0
        # Spawned, not forked: a fork copies the locks of our caller's threads (torch, a server) half-held.
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker[SpecT]] = []

    def work(self) -> Iterator[ResultT]:
        """Yield results until nothing is left."""
        while self._waiting and len(self._workers) < self._size:
            self._hire()
        while self._workers:
            by_pipe = {worker.pipe: worker for worker in self._workers}
            for ready in wait(list(by_pipe)):
                assert isinstance(ready, Connection)
                worker = by_pipe[ready]
                try:
                    result, error = worker.pipe.recv()
                except (EOFError, OSError):
                    self._replace(worker)
                    continue
                if error is not None:
                    raise error
                self._next(worker)
                yield result

    def dismiss(self) -> None:
        """End all workers now; what one has half written is a temporary file that the next run removes."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()

    def _hire(self) -> None:
        """Start a worker on the first spec that waits."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._function, theirs), daemon=True)
        worker = _Worker(process=process, pipe=ours, spec=self._waiting.popleft())
        self._workers.append(worker)
        process.start()
        theirs.close()  # The worker holds the only other end now: when it dies, our end reads end of file.
        ours.send(worker.spec)

    def _next(self, worker: _Worker[SpecT]) -> None:
        """Give a worker its next spec, or send it home."""
        if self._waiting:
            worker.spec = self._waiting.popleft()
            worker.pipe.send(worker.spec)
            return
        worker.pipe.close()
        worker.process.join()
        self._workers.remove(worker)

    def _replace(self, worker: _Worker[SpecT]) -> None:
        """Put a dead worker's spec back and start another worker."""
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        self._lost += 1
        if self._lost > MAX_LOST_WORKERS:
            raise WorkerLost(
                f"worker processes were killed {self._lost} times (the last with exit code "
                f"{worker.process.exitcode}); the machine may be short of memory: run again with fewer jobs."
            )
        self._waiting.appendleft(worker.spec)
        self._hire()


def _serve(function: Callable[[Any], Any], pipe: Connection) -> None:
    """Compute in a worker process until the pipe is closed."""
    # Ctrl-C reaches the whole process group; the parent decides what it means and ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    while True:
        try:
            spec = pipe.recv()
        except EOFError:
            return
        answer: tuple[Any, Exception | None]
        try:
            answer = (function(spec), None)
        except Exception as error:  # noqa: BLE001 - every error is the parent's to report
            error.add_note("".join(traceback.format_exception(error)))
            answer = (None, error)
        pipe.send(answer)


def _die_with_parent() -> None:
    """End this process when its parent is gone, even by kill -9: nobody would collect its work."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
