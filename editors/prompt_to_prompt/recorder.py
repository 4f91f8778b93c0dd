"""The control of originals: it attends as ever, and keeps what edits take.

Reference: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626), Alg. 1: an edit takes from its original, never the other way round.

Law: what is recorded is what was attended with, and nothing that was attended depends on it.
"""

from collections.abc import Sequence

from torch import Tensor

from editors.model.attention import AttentionSite, JointTokens, attend
from editors.prompt_to_prompt.looks import Look
from editors.prompt_to_prompt.records import Looks

Wanted = frozenset[tuple[str, str]]
"""(site, half)s whose queries and keys are wanted of one original."""


class Recorder:
    """Attends as ever, and keeps the queries and keys that are wanted: the control of the originals.

    Attributes:
        looks: Per picture what was wanted of it.
    """

    def __init__(self, halves: tuple[str, ...], wanted: Sequence[Wanted], before: Sequence[Looks]) -> None:
        """Prepare for one call.

        Args:
            halves: Of the batch.
            wanted: Per picture of the batch what to keep.
            before: Per picture what was kept in an earlier call: a prompt's keys are the same in all.
        """
        self._halves, self._wanted, self._before = halves, wanted, before
        self.looks: list[dict[tuple[str, str], Look]] = [{} for _ in wanted]

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        *,
        site: AttentionSite,
        step: int,
        joint: JointTokens | None = None,
    ) -> Tensor:
        """Attend; see `editors.model.attention.AttentionControl`."""
        for n, half in enumerate(self._halves):
            for place, wanted in enumerate(self._wanted):
                if (site.name, half) in wanted:
                    row = n * len(self._wanted) + place
                    before = (
                        self._before[place].get((site.name, half))
                        if site.is_cross and not site.is_joint
                        else None
                    )
                    # Copies, for a view of one row would keep the whole batch.
                    kept = key[row].clone() if before is None else before.key
                    own_mask = None if mask is None else mask[row].clone()
                    self.looks[place][site.name, half] = Look(query[row].clone(), kept, own_mask)
        return attend(query, key, value, mask)
