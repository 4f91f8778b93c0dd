"""The originals of a batch of edits: drawn from their noise, or photos held on their path, and watched.

Reference: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626), Alg. 1.

Laws: an original gets the same bits whatever is edited from it, and whether it was kept from before or not;
what was kept is not evaluated again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from editors.ddim import levels
from editors.diffusion import denoise, noise
from editors.model.diffusion_model import DiffusionModel
from editors.prompt_to_prompt.guided import Guided, PromptConditioning
from editors.prompt_to_prompt.inversion.trajectory import Trajectory
from editors.prompt_to_prompt.plan import Plan
from editors.prompt_to_prompt.recorder import Recorder, Wanted
from editors.prompt_to_prompt.records import Looks, SourceRecord
from editors.requests.results import Step


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Origin:
    """One original as a batch meets it.

    Attributes:
        plan: That of one of its edits.
        conditioning: Its prompts, as the network reads them.
        trajectory: Of a photo, or None.
        known: What is kept of it from before, or None.
        needs: Network call -> what its edits take from it there.
        keeps: What to keep of it for later edits, in every call; empty for nothing at all.
        room: Bytes that may be kept.
    """

    plan: Plan
    conditioning: PromptConditioning
    trajectory: Trajectory | None
    known: SourceRecord | None
    needs: Callable[[int], Wanted]
    keeps: Wanted
    room: int

    def kept(self, call: int) -> Looks | None:
        """Return what was kept from before of a call."""
        return None if self.known is None else self.known.looks[call]

    def lacks(self, call: int) -> Wanted:
        """Return what its edits take there that was not kept."""
        return self.needs(call) - frozenset(self.kept(call) or ())


class Originals(Protocol):
    """Originals under way.

    Attributes:
        latents: Where they are, (S, C, h, w).
    """

    latents: Tensor

    @property
    def looks(self) -> Sequence[Looks]:
        """Queries and keys of each in the latest call, at the sites that edits need."""
        ...

    def steps(self) -> Iterator[Step]:
        """Take all steps."""
        ...

    def output(self, original: int, *, like: Tensor) -> Tensor:
        """Return what led one of them in the latest call, (C, h, w); where its path is held, zeros."""
        ...

    def num_rows(self, original: int) -> int:
        """Return the network rows spent on one of them."""
        ...

    def redrawn(self, original: int) -> Tensor | None:
        """Return where a held photo's prompt would have led, (C, h, w), as far as that is known."""
        ...

    def records(self, pictures: Sequence[NDArray[np.float32]]) -> Sequence[SourceRecord]:
        """Return what is to be kept of each, once all steps were taken and the pictures were decoded."""
        ...


def originals_of(model: DiffusionModel, origins: Sequence[Origin]) -> Originals:
    """Set out to draw originals, or to follow photos that are held; one batch has one kind."""
    return _Held(model, origins) if origins[0].plan.is_held else _Drawn(model, origins)


class _Looking:
    """Evaluates originals and records what they attend with, within each one's room."""

    def __init__(self, model: DiffusionModel, origins: Sequence[Origin]) -> None:
        first = origins[0].plan
        scale = first.settings.guidance_scale
        conditioning = [origin.conditioning for origin in origins]
        self.network = Guided(model, conditioning, halves=first.halves, guidance_scale=scale)
        self.origins = origins
        self.looks: list[Looks] = [{} for _ in origins]
        self._used, self._full = [0] * len(origins), [origin.room == 0 for origin in origins]
        self._recorded: list[list[Looks | None]] = [[] for _ in origins]

    def call(
        self,
        latents: Tensor,
        timestep: Tensor,
        index: int,
        *,
        evaluated: Sequence[int],
        halves: tuple[str, ...] | None = None,
    ) -> Tensor | None:
        """Evaluate some of the originals, whose latents these are, and look up the others."""
        recorder = Recorder(
            halves or self.network.halves,
            [self.wanted(place, index) for place in evaluated],
            [self._latest(place) for place in evaluated],
        )
        output = None
        if evaluated:
            output = self.network(
                latents, timestep, index, pictures=evaluated, control=recorder, halves=halves
            )
        for place, origin in enumerate(self.origins):
            kept = origin.kept(index) or {}
            seen = recorder.looks[evaluated.index(place)] if place in evaluated else {}
            self.looks[place] = {**kept, **seen}
            self._keep(place, origin, {**kept, **{at: seen[at] for at in seen if at in origin.keeps}})
        return output

    def wanted(self, place: int, call: int) -> Wanted:
        """Return what is worth recording: what its edits take, and, while there is room, what is kept."""
        origin = self.origins[place]
        return origin.needs(call) | (frozenset() if self._full[place] else origin.keeps)

    def recorded(self, place: int) -> tuple[Looks | None, ...]:
        """Return per call what is to be kept of an original."""
        return tuple(self._recorded[place])

    def _latest(self, place: int) -> Looks:
        return next((looks for looks in reversed(self._recorded[place]) if looks), {})

    def _keep(self, place: int, origin: Origin, looks: Looks) -> None:
        before = self._latest(place)
        old = {id(look.key) for look in before.values()}
        more = sum(
            look.query.nbytes + (0 if id(look.key) in old else look.key.nbytes) for look in looks.values()
        )
        fits = bool(looks) and self._used[place] + more <= origin.room
        self._used[place] += more if fits else 0
        self._full[place] |= bool(looks) and not fits
        self._recorded[place].append(looks if fits else None)


class _Drawn:
    """Originals that are drawn, from their seed's noise or from that of an inverted photo."""

    def __init__(self, model: DiffusionModel, origins: Sequence[Origin]) -> None:
        self._model, self._origins = model, origins
        self._looking = _Looking(model, origins)
        self._outputs: list[list[Tensor]] = [[] for _ in origins]
        self.latents, self._generators = starts(
            model, [origin.plan for origin in origins], [origin.trajectory for origin in origins]
        )

    @property
    def looks(self) -> Sequence[Looks]:
        return self._looking.looks

    def output(self, original: int, *, like: Tensor) -> Tensor:
        return self._outputs[original][-1]

    def num_rows(self, original: int) -> int:
        return self._looking.network.num_rows[original]

    def steps(self) -> Iterator[Step]:
        steps = denoise(
            self._predict,
            scheduler=self._model.new_scheduler(self._origins[0].plan.size),
            latents=self.latents,
            num_inference_steps=self._origins[0].plan.settings.num_inference_steps,
            generators=self._generators,
        )
        for step in steps:
            self.latents = step.latents
            yield step

    def redrawn(self, original: int) -> Tensor | None:
        return None  # it was drawn: its latents say so themselves

    def records(self, pictures: Sequence[NDArray[np.float32]]) -> Sequence[SourceRecord]:
        return [
            SourceRecord(outputs=tuple(outputs), looks=self._looking.recorded(place), picture=pictures[place])
            for place, outputs in enumerate(self._outputs)
        ]

    def _predict(self, latents: Tensor, timestep: Tensor, index: int) -> Tensor:
        evaluated = [
            place
            for place, origin in enumerate(self._origins)
            if origin.known is None or origin.known.outputs is None or origin.lacks(index)
        ]
        fresh = self._looking.call(latents[evaluated], timestep, index, evaluated=evaluated)
        rows = {} if fresh is None else dict(zip(evaluated, fresh, strict=True))
        for place, origin in enumerate(self._origins):
            known = origin.known.outputs if origin.known is not None else None
            row = rows[place] if place in rows or known is None else known[index]
            self._outputs[place].append(row)
        return torch.stack([outputs[-1] for outputs in self._outputs])


class _Held:
    """Photos on their inverted path: evaluated for their attention alone, and without guidance."""

    def __init__(self, model: DiffusionModel, origins: Sequence[Origin]) -> None:
        self._model, self._origins = model, origins
        self._looking = _Looking(model, origins)
        found = [_trajectory(origin) for origin in origins]
        self._paths = [one.latents for one in found]
        self._drift = [None if one.is_noted else torch.zeros_like(one.latents[0]) for one in found]
        self.latents = torch.stack([path[0] for path in self._paths])

    @property
    def looks(self) -> Sequence[Looks]:
        return self._looking.looks

    def output(self, original: int, *, like: Tensor) -> Tensor:
        return torch.zeros_like(like)

    def num_rows(self, original: int) -> int:
        return self._looking.network.num_rows[original]

    def steps(self) -> Iterator[Step]:
        plan = self._origins[0].plan
        found = levels(self._model.new_scheduler(plan.size), plan.settings.num_inference_steps)
        for index, level in enumerate(found):
            self._evaluate(level.timestep.to(self.latents.device), index, (level.a, level.b))
            self.latents = torch.stack([path[index + 1] for path in self._paths])
            yield Step(
                index=index,
                num_steps=len(found),
                timestep=int(level.timestep),
                latents=self.latents,
                clean=torch.stack([path[-1] for path in self._paths]),
            )

    def records(self, pictures: Sequence[NDArray[np.float32]]) -> Sequence[SourceRecord]:
        return [
            SourceRecord(
                outputs=None,
                looks=self._looking.recorded(place),
                picture=pictures[place],
                redrawn=self.redrawn(place),
            )
            for place in range(len(self._origins))
        ]

    def redrawn(self, original: int) -> Tensor | None:
        known, drift = self._origins[original].known, self._drift[original]
        if known is not None and known.redrawn is not None:
            return known.redrawn
        return None if drift is None else self._paths[original][-1] + drift

    def _evaluate(self, timestep: Tensor, index: int, step: tuple[float, float]) -> None:
        evaluated = [
            n
            for n, origin in enumerate(self._origins)
            if origin.lacks(index) or (origin.known is None and (origin.keeps or self._drift[n] is not None))
        ]
        # Where the path is known, guidance has no say: mostly the conditional half alone is looked at.
        asked = {half for place in evaluated for _, half in self._looking.wanted(place, index)}
        present = self._looking.network.halves
        halves = tuple(half for half in present if half in asked or half == present[-1])
        output = self._looking.call(
            self.latents[evaluated], timestep, index, evaluated=evaluated, halves=halves
        )
        for place, path in enumerate(self._paths):
            drift = self._drift[place]
            if output is None or place not in evaluated or drift is None:
                self._drift[place] = None
                continue
            a, b = step
            led = a * path[index] + b * output[evaluated.index(place)]
            self._drift[place] = a * drift + led - path[index + 1]


def starts(
    model: DiffusionModel, plans: Sequence[Plan], trajectories: Sequence[Trajectory | None]
) -> tuple[Tensor, list[torch.Generator]]:
    """Return where pictures start, (B, C, h, w), and what draws their further noise.

    An edit starts, and goes on, with the noise of its original: that of its seed, or of its photo.
    """
    shape = (model.latent_channels, *plans[0].size)
    drawn, generators = noise([plan.seed for plan in plans], shape, model.device)
    rows = [
        row if trajectory is None else trajectory.latents[0]
        for row, trajectory in zip(drawn, trajectories, strict=True)
    ]
    return torch.stack(rows), generators


def _trajectory(origin: Origin) -> Trajectory:
    assert origin.trajectory is not None  # of a plan that is held
    return origin.trajectory
