"""The board of the Prompts tab: which word goes to which, how much each counts, where and when the edit acts.

Reference: Hertz et al., "Prompt-to-Prompt Image Editing with Cross Attention Control" (2022, arXiv
2208.01626): word swap and refinement are the lines between the words, re-weighting the slider below each,
local editing the words that are pressed, the two schedules the bars of the timeline.

Law: the board decides nothing. What it tells are fields of `PromptEdit`, which judges them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from editors import LocalBlend
from ui.components.elements import MAKE, asset

if TYPE_CHECKING:
    from editors.model.tokens import Prompt

WEIGHTS = (-2, 4)
"""What a word's slider spans; Python and the command line take -100 to 100."""

TEMPLATE = """<div class="board"></div>"""
STYLE = asset("board.css")
SCRIPT = asset("board.js")


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardState:
    """The state of the board.

    Attributes:
        original: Words of the original prompt.
        edited: Words of the edited prompt.
        links: Places of words that go together, see `word_links`.
        weights: Word -> factor, those that are not 1.
        blend_original: Words of the original prompt that the edit keeps to.
        blend_edited: Words of the edited prompt that it keeps to.
        cross_replace_steps: (start, end) of the steps in which the original's cross-attention is used, as
            fractions.
        self_replace_steps: The same of its self-attention.
        steps: How many steps the timeline shows.
        advised: Whether the timeline began as the model recommends, and not before that was known.
    """

    original: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    links: tuple[tuple[int, int], ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    blend_original: tuple[str, ...] = ()
    blend_edited: tuple[str, ...] = ()
    cross_replace_steps: tuple[float, float]
    self_replace_steps: tuple[float, float]
    steps: int
    advised: bool = False

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "BoardState":
        """Return what a browser tells.

        Raises:
            gr.Error: It is not what `told` has told it, with some of its values changed.
        """
        try:
            return cls._read(told)
        except (KeyError, TypeError, ValueError):
            raise gr.Error("The words were not understood: reload the page.", print_exception=False) from None

    @classmethod
    def _read(cls, told: Mapping[str, Any]) -> "BoardState":
        blend = told["blend"]
        return cls(
            original=tuple(told["original"]),
            edited=tuple(told["edited"]),
            links=tuple((a, b) for a, b in told["links"]),
            weights=dict(told["weights"]),
            blend_original=tuple(blend["original"]),
            blend_edited=tuple(blend["edited"]),
            cross_replace_steps=_window(told["cross"]),
            self_replace_steps=_window(told["self"]),
            steps=int(told["steps"]),
            advised=bool(told["advised"]),
        )

    def told(self) -> dict[str, Any]:
        """Return it as `SCRIPT` takes it."""
        return {
            "original": list(self.original),
            "edited": list(self.edited),
            "links": [list(link) for link in self.links],
            "weights": dict(self.weights),
            "blend": {"original": list(self.blend_original), "edited": list(self.blend_edited)},
            "cross": list(self.cross_replace_steps),
            "self": list(self.self_replace_steps),
            "steps": self.steps,
            "advised": self.advised,
            "span": list(WEIGHTS),
        }

    def with_prompts(self, original: "Prompt", edited: "Prompt") -> "BoardState":
        """Return it for other prompts; what was said of words that are still there stays."""
        from editors.prompt_to_prompt.alignment import word_links

        ours, theirs = ([word.text for word in one.words] for one in (original, edited))
        return replace(
            self,
            original=tuple(ours),
            edited=tuple(theirs),
            links=word_links(original, edited),
            weights={word: weight for word, weight in self.weights.items() if word in theirs},
            blend_original=_still(self.blend_original, ours),
            blend_edited=_still(self.blend_edited, theirs),
        )

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of `PromptEdit` that it stands for."""
        blends = self.blend_original or self.blend_edited
        blend = LocalBlend(original=self.blend_original, edited=self.blend_edited) if blends else None
        return {
            "word_weights": dict(self.weights),
            "local_blend": blend,
            "cross_replace_steps": self.cross_replace_steps,
            "self_replace_steps": self.self_replace_steps,
        }


def _still(chosen: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in chosen if word in words)


def _window(told: Sequence[float]) -> tuple[float, float]:
    start, end = map(float, told)
    return start, end


def board(state: BoardState) -> Any:
    """Lay out the board; its `input` event comes when a person has changed something."""
    return gr.HTML(
        value=state.told(),
        html_template=TEMPLATE,
        css_template=STYLE,
        js_on_load=MAKE + SCRIPT,
    )
