"""Originals and their edits, denoised side by side: the edits take what they need as the originals pass.

Reference: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626), Alg. 1, whose one batch is two here: no original depends on an edit, so originals go through the
network by themselves, or not at all where they did before.

Laws: edits in one batch are each as if alone, to rounding; an edit that goes on from where an earlier one
acted alike has the bits of one that begins at the beginning (`SharedRows`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from editors.diffusion import denoise
from editors.model.attention import AttentionSite
from editors.model.diffusion_model import DiffusionModel
from editors.prompt_to_prompt.blend import WordMaps
from editors.prompt_to_prompt.controls import AttentionObserver, EditControl, Observation
from editors.prompt_to_prompt.guided import Guided, PromptConditioning
from editors.prompt_to_prompt.heat_maps import HeatMaps
from editors.prompt_to_prompt.inversion.methods import METHODS
from editors.prompt_to_prompt.inversion.trajectory import ResidualSteps, Trajectory
from editors.prompt_to_prompt.looks import Look
from editors.prompt_to_prompt.originals import Origin, Originals, originals_of, starts
from editors.prompt_to_prompt.plan import Plan
from editors.prompt_to_prompt.recorder import Wanted
from editors.prompt_to_prompt.records import EditRecord, SourceRecord
from editors.prompt_to_prompt.shared_rows import SharedRows
from editors.requests.results import Step


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Job:
    """One edit to draw, with what is known already.

    Attributes:
        plan: The edit.
        original: What the network is told of its original.
        edited: What it is told of the edit.
        trajectory: Of its photo, or None.
        source: What is kept of its original, or None.
        earlier: An edit of that original that begins alike, or None.
        agreed: In how many network calls it acts alike.
        keep: Whether to keep the original for further edits.
        room: Bytes that may be kept of it.
    """

    plan: Plan
    original: PromptConditioning
    edited: PromptConditioning
    trajectory: Trajectory | None = None
    source: SourceRecord | None = None
    earlier: EditRecord | None = None
    agreed: int = 0
    keep: bool = False
    room: int = 0


class SideBySide:
    """One batch: some originals, and some edits of each.

    Attributes:
        of: For each edit the place of its original.
        originals: The originals, being drawn.
        edits: The edits, being drawn.
    """

    def __init__(self, model: DiffusionModel, sites: Sequence[AttentionSite], jobs: Sequence[Job]) -> None:
        """Prepare a batch.

        Args:
            model: The model.
            sites: All its attention sites.
            jobs: The edits, of one `batch_key`; those of equal source share an original.
        """
        sources = list(dict.fromkeys(job.plan.source for job in jobs))
        self.of = [sources.index(job.plan.source) for job in jobs]
        looking = [_Observers.of(job.plan, sites) for job in jobs]
        origins = []
        for place in range(len(sources)):
            own = [n for n, of in enumerate(self.of) if of == place]
            origins.append(_origin([jobs[n] for n in own], [looking[n] for n in own], sites))
        self.originals = originals_of(model, origins)
        self.edits = Edits(model, jobs, looking, self.of, self.originals)

    def steps(self) -> Iterator[Step]:
        """Take all steps; the latents of each are the originals', then the edits'."""
        for drawn, changed in zip(self.originals.steps(), self.edits.steps(), strict=True):
            yield Step(
                index=drawn.index,
                num_steps=drawn.num_steps,
                timestep=drawn.timestep,
                latents=torch.cat((drawn.latents, changed.latents)),
                clean=torch.cat((drawn.clean, changed.clean)),
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Observers:
    """The observers of one edit's attention."""

    words: WordMaps | None
    heat: HeatMaps | None

    @classmethod
    def of(cls, plan: Plan, sites: Sequence[AttentionSite]) -> "_Observers":
        return cls(plan.word_maps(sites), plan.heat_maps(sites))

    @property
    def all(self) -> list[AttentionObserver]:
        return [observer for observer in (self.words, self.heat) if observer is not None]


def _origin(jobs: Sequence[Job], looking: Sequence[_Observers], sites: Sequence[AttentionSite]) -> Origin:
    """Gather what the edits of one original want of it."""

    def needs(call: int) -> Wanted:
        return frozenset(
            (site.name, half)
            for job, seen in zip(jobs, looking, strict=True)
            if call >= job.agreed
            for site in sites
            for half in job.plan.takes(site, call, seen.all)
        )

    keeps = frozenset(
        (site.name, half) for job in jobs if job.keep for site in sites for half in job.plan.may_take(site)
    )
    first = jobs[0]
    return Origin(
        plan=first.plan,
        conditioning=first.original,
        trajectory=first.trajectory,
        known=first.source,
        needs=needs,
        keeps=keeps,
        room=first.room,
    )


class Edits:
    """The edits of a batch.

    Attributes:
        blends: What keeps each edit to its place.
        heat_maps: The observer of each edit's words, where it was asked for.
        num_rows: Network rows spent on each so far.
    """

    def __init__(
        self,
        model: DiffusionModel,
        jobs: Sequence[Job],
        looking: Sequence[_Observers],
        of: Sequence[int],
        originals: Originals,
    ) -> None:
        self._model, self._jobs, self._of, self._originals = model, jobs, of, originals
        first = jobs[0].plan
        scale = first.settings.guidance_scale
        conditioning = [job.edited for job in jobs]
        self._network = Guided(model, conditioning, halves=first.halves, guidance_scale=scale)
        self.num_rows = self._network.num_rows
        self._observers = [seen.all for seen in looking]
        self.blends = [job.plan.blend(seen.words) for job, seen in zip(jobs, looking, strict=True)]
        self.heat_maps = [seen.heat for seen in looking]
        self._rows = SharedRows(
            [job.plan for job in jobs], [(job.earlier, job.agreed) for job in jobs], self._observers
        )

    def steps(self) -> Iterator[Step]:
        """Take all steps; each needs that the originals have just taken theirs."""
        plans, paths = [job.plan for job in self._jobs], [job.trajectory for job in self._jobs]
        start, generators = starts(self._model, plans, paths)
        return denoise(
            self._predict,
            scheduler=self._scheduler(),
            latents=start,
            num_inference_steps=plans[0].settings.num_inference_steps,
            generators=generators,
            after_step=self._blend,
        )

    def records(self) -> list[EditRecord]:
        """Return what is to be kept of each edit, once all steps were taken."""
        return self._rows.records()

    def _scheduler(self) -> object:
        scheduler = self._model.new_scheduler(self._jobs[0].plan.size)
        paths = [job.trajectory.residuals for job in self._jobs if job.trajectory is not None]
        residuals = [path for path in paths if path is not None]
        if not residuals:
            return scheduler
        method = METHODS[self._jobs[0].plan.edit.inversion]  # one batch has one
        return ResidualSteps(scheduler, residuals, stochastic=method.is_stochastic)

    def _predict(self, latents: Tensor, timestep: Tensor, index: int) -> Tensor:
        def compute(places: list[int]) -> Tensor:
            begun = [place for place in places if index >= self._jobs[place].plan.begin]
            rows = {
                # Where an edit has not begun it is led as its original is; of a held one the path is known.
                place: self._originals.output(self._of[place], like=latents[place])
                for place in places
                if place not in begun
            }
            if begun:
                control = self._control(begun)
                found = self._network(latents[begun], timestep, index, pictures=begun, control=control)
                rows |= dict(zip(begun, found, strict=True))
            return torch.stack([rows[place] for place in places])

        return self._rows.at(index, compute)

    def _control(self, live: Sequence[int]) -> EditControl:
        """Say what the edits under way take from their originals, whose rows come behind the batch's."""
        halves = self._network.halves
        taken = _Taken(self._originals, halves, behind=len(halves) * len(live))
        rows, observations = [], []
        for n, place in enumerate(live):
            plan, of = self._jobs[place].plan, self._of[place]
            for half in plan.controlled:
                edited = halves.index(half) * len(live) + n
                rows.append(plan.control(original=taken.number(half, of), edited=edited))
            for observer in self._observers[place]:
                edited = halves.index("conditional") * len(live) + n
                original = taken.number("conditional", of)
                observations.append(Observation(original=original, edited=edited, observer=observer))
        return EditControl(rows=tuple(rows), recorded=taken, observations=tuple(observations))

    def _blend(self, latents: Tensor, index: int) -> Tensor:
        originals = self._originals.latents
        blended = [
            # The same prompt gives the same bits: its row would else differ by rounding. So before it begins.
            originals[of]
            if job.plan.changes_nothing or index < job.plan.begin
            else blend.after_step(torch.stack((originals[of], row)), index)[1]
            for job, blend, of, row in zip(self._jobs, self.blends, self._of, latents, strict=True)
        ]
        return torch.stack(blended)


@dataclass(frozen=True, slots=True, eq=False)
class _Taken:
    """Queries and keys of the originals in this step, numbered behind the rows of the batch."""

    originals: Originals
    halves: tuple[str, ...]
    behind: int

    def number(self, half: str, original: int) -> int:
        """Number a row of an original."""
        return self.behind + self.halves.index(half) * len(self.originals.latents) + original

    def at(self, site: AttentionSite, step: int) -> Mapping[int, Look]:
        """Return the rows that there are of a site."""
        return {
            self.number(half, original): looks[site.name, half]
            for original, looks in enumerate(self.originals.looks)
            for half in self.halves
            if (site.name, half) in looks
        }
