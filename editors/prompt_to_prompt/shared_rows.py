"""Rows of the network that edits share: with each other, and with edits that were drawn before.

Edits of one original that act alike up to some call have the same latents up to it, so of one original's many
windows the first steps are computed once. `SharedRows` stands around whatever computes rows, which knows
nothing of it.

Law: an edit has the same bits, whether its rows were computed for it alone, shared, or recalled.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from editors.prompt_to_prompt.controls import AttentionObserver
from editors.prompt_to_prompt.plan import Plan
from editors.prompt_to_prompt.records import EditRecord, agreement


class SharedRows:
    """The guided outputs of the edits of a batch, call by call."""

    def __init__(
        self,
        plans: Sequence[Plan],
        recalled: Sequence[tuple[EditRecord | None, int]],
        observers: Sequence[Sequence[AttentionObserver]],
    ) -> None:
        """Find out who acts like whom.

        Args:
            plans: The edits.
            recalled: Of each an edit that was drawn before, and in how many calls it acts alike.
            observers: Of each what looks at its attention, which is shared as its rows are.
        """
        self._recalled, self._observers = recalled, observers
        self._signs = [plan.signs() for plan in plans]
        self._alike = [
            {
                other: agreement(self._signs[other], self._signs[place])
                for other in range(place)
                if plans[other].lineage == plan.lineage
            }
            for place, plan in enumerate(plans)
        ]
        self._outputs: list[list[Tensor]] = [[] for _ in plans]
        self._seen: list[list[tuple[tuple[Tensor, ...], ...]]] = [[] for _ in plans]

    def at(self, call: int, compute: Callable[[list[int]], Tensor]) -> Tensor:
        """Return the rows of all edits in a call, (B, C, h, w).

        Args:
            call: The call of the network, from 0 on; each is asked for once, in order.
            compute: Computes the rows of the edits at some places, (n, C, h, w); their observers look on.
        """
        live = [place for place, (_, agreed) in enumerate(self._recalled) if call >= agreed]
        leader = {place: self._leader(place, live, call) for place in live}
        apart = [place for place in live if leader[place] == place]
        computed = dict(zip(apart, compute(apart), strict=True)) if apart else {}
        for place, (record, _) in enumerate(self._recalled):
            if place in computed:
                row = computed[place]
            elif place in leader:
                row = computed[leader[place]]
                self._restore(place, [other.state() for other in self._observers[leader[place]]])
            else:
                assert record is not None  # it agreed
                row = record.outputs[call]
                self._restore(place, record.seen[call])
            self._outputs[place].append(row)
            self._seen[place].append(tuple(observer.state() for observer in self._observers[place]))
        return torch.stack([outputs[-1] for outputs in self._outputs])

    def records(self) -> list[EditRecord]:
        """Return what is to be kept of each edit, once all calls were made."""
        return [
            EditRecord(signs=signs, outputs=tuple(outputs), seen=tuple(seen))
            for signs, outputs, seen in zip(self._signs, self._outputs, self._seen, strict=True)
        ]

    def _leader(self, place: int, live: Sequence[int], call: int) -> int:
        """Return the first of the edits under way that has acted like this one so far, and acts alike now."""
        return next(other for other in live if other == place or self._alike[place].get(other, 0) > call)

    def _restore(self, place: int, states: Sequence[tuple[Tensor, ...]]) -> None:
        for observer, state in zip(self._observers[place], states, strict=True):
            observer.restore(state)
