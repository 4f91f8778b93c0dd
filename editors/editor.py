"""The base of both editors: it reads requests against the model and carries them out, alone or together.

Law: an editor keeps nothing of an edit: several may run at once, be left half-way, or fail, and the next is
none the wiser. Each result of many edits is that of the one, to rounding.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Collection, Generator, Hashable, Iterable, Iterator, Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

from editors.errors import EditorError
from editors.model.diffusion_model import DiffusionModel
from editors.model.loading.load import require_kind
from editors.model.things import Things
from editors.requests import rules
from editors.requests.edits import PictureSource
from editors.requests.request import Request
from editors.requests.results import EditResult, Step
from editors.requests.settings import Kind, ResolvedEdit, Settings, resolve
from editors.running import failures_explained, run_to_end

MAX_BATCH = 4096
"""Rows that go through a network together, at most: more than any device holds."""


class Job(Protocol):
    """A request that has been read: its seed is drawn, its pictures are decoded, its words are understood."""

    @property
    def batch_key(self) -> tuple[Hashable, ...]:
        """Key of jobs that may share a batch of the network."""
        ...

    @property
    def source(self) -> Hashable:
        """Key of the original's picture: jobs of one key may share its work."""
        ...


EditT = TypeVar("EditT", bound=Request)
JobT = TypeVar("JobT", bound=Job)


class DiffusionEditor(ABC, Generic[EditT, JobT]):
    """Carries out edits of one kind on a latent diffusion model.

    Attributes:
        kind: Of the models that can.
        batch_size: Edits that go through the network together where nobody says how many.
        model: The model.
    """

    kind: ClassVar[Kind]
    batch_size: ClassVar[int]

    def __init__(self, model: DiffusionModel) -> None:
        """Take a model.

        Raises:
            IncompatibleModel: It is of another kind.
        """
        require_kind(model, self.kind)
        self.model = model

    @property
    def recommended(self) -> Settings:
        """Settings that a request takes where it names none."""
        return self.model.recommended

    def things(self, picture: PictureSource, *, resolution: int | None = None) -> Things:
        """Look at a picture, so that things in it can be selected by pointing at them; see `Things.at`.

        Args:
            picture: The picture.
            resolution: As in an edit.

        Raises:
            InvalidEdit: It is no picture that can be used.
            IncompatibleModel: The model's attention cannot be seen.
            EditFailed: Memory ran out.
        """
        with failures_explained():
            return Things.of(self.model, picture, resolution=resolution)

    def edit(self, edit: EditT) -> EditResult:
        """Carry out an edit.

        Raises:
            InvalidEdit: The request cannot be carried out with this model.
            EditFailed: Memory ran out, or the model gave numbers that are no picture.
        """
        return run_to_end(self.stream(edit))

    def stream(self, edit: EditT) -> Generator[Step, None, EditResult]:
        """Carry out an edit step by step; to cancel, close the generator.

        Yields:
            Each step after it was taken.

        Returns:
            The result.

        Raises:
            InvalidEdit: The request cannot be carried out with this model.
            EditFailed: Memory ran out, or the model gave numbers that are no picture.
        """
        (job,) = self._read_all([edit])
        (result,) = yield from self._running([job], keep={job.source})
        return result

    def edit_many(self, edits: Sequence[EditT], *, batch_size: int | None = None) -> list[EditResult]:
        """Carry out several edits, those that can go through the network together in batches.

        Args:
            edits: Any number of requests.
            batch_size: How many edits go through the network together, at most; None takes the editor's own.

        Raises:
            InvalidEdit: A request cannot be carried out with this model; none is then begun.
            EditFailed: Memory ran out, or the model gave numbers that are no picture.
        """
        if batch_size is None:
            batch_size = self.batch_size
        rules.whole_number("batch_size", batch_size, 1, MAX_BATCH)
        jobs = self._read_all(edits)
        results: dict[int, EditResult] = {}
        for batch, keep in batches(jobs, batch_size):
            done = run_to_end(self._running([jobs[place] for place in batch], keep=keep))
            results.update(zip(batch, done, strict=True))
        return [results[place] for place in range(len(jobs))]

    def edit_each(
        self, edits: Iterable[EditT], *, batch_size: int | None = None
    ) -> Iterator[tuple[int, EditResult | EditorError]]:
        """Carry out any number of edits; one that fails fails alone, and stops nothing.

        At most two batches of pictures are held in memory. Where a batch fails, its edits are tried one by
        one.

        Args:
            edits: Requests, which are asked for as they are needed.
            batch_size: As of `edit_many`.

        Yields:
            (place of the request, its result, or why there is none), in the order in which they end.
        """
        if batch_size is None:
            batch_size = self.batch_size
        rules.whole_number("batch_size", batch_size, 1, MAX_BATCH)
        waiting: dict[tuple[Hashable, ...], list[tuple[int, JobT]]] = defaultdict(list)
        for place, edit in enumerate(edits):
            try:
                (job,) = self._read_all([edit])
            except EditorError as error:
                yield place, error
                continue
            waiting[job.batch_key].append((place, job))
            fullest = max(waiting, key=lambda key: len(waiting[key]))
            if len(waiting[fullest]) == batch_size or sum(map(len, waiting.values())) == 2 * batch_size:
                yield from self._run_each(waiting.pop(fullest))
        for jobs in waiting.values():
            yield from self._run_each(jobs)

    def _run_each(self, jobs: Sequence[tuple[int, JobT]]) -> Iterator[tuple[int, EditResult | EditorError]]:
        """Carry out jobs of one `batch_key` together, or one by one where that fails."""
        try:
            results = run_to_end(self._running([job for _, job in jobs], keep=()))
        except EditorError as error:
            if len(jobs) == 1:
                yield jobs[0][0], error
                return
            for job in jobs:
                yield from self._run_each([job])
            return
        yield from zip((place for place, _ in jobs), results, strict=True)

    def _running(
        self, jobs: Sequence[JobT], *, keep: Collection[Hashable]
    ) -> Generator[Step, None, list[EditResult]]:
        """Carry out jobs, and leave the model at rest, whatever comes of them."""
        try:
            return (yield from self._run(jobs, keep=keep))
        finally:
            self.model.rest()

    def _read_all(self, edits: Sequence[EditT]) -> list[JobT]:
        with failures_explained():
            return [self._read(resolve(edit, self.model)) for edit in edits]

    @abstractmethod
    def _read(self, resolved: ResolvedEdit[EditT]) -> JobT:
        """Say all that is wrong with a request for this model, before anything is computed."""

    @abstractmethod
    def _run(
        self, jobs: Sequence[JobT], *, keep: Collection[Hashable]
    ) -> Generator[Step, None, list[EditResult]]:
        """Carry out jobs of one `batch_key` together; `keep` names the sources that will be asked for again.

        Yields:
            Each step, all rows at once.

        Returns:
            One result per job.
        """


def batches(jobs: Sequence[Job], batch_size: int) -> Iterator[tuple[list[int], set[Hashable]]]:
    """Choose which edits go through the network together, by their places, and which sources are kept after.

    Worth keeping is what another batch will take, and the one source that all is about.
    """
    by_key: dict[Hashable, dict[Hashable, list[int]]] = defaultdict(dict)
    for place, job in enumerate(jobs):
        by_key[job.batch_key].setdefault(job.source, []).append(place)
    alone = len({job.source for job in jobs}) == 1
    for sources in by_key.values():
        places = [place for own in sources.values() for place in own]  # edits of a source together
        parts = [places[start : start + batch_size] for start in range(0, len(places), batch_size)]
        keep = {
            source
            for source, own in sources.items()
            if alone or sum(not set(own).isdisjoint(part) for part in parts) > 1
        }
        for part in parts:
            yield part, keep
