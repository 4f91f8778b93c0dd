"""The numbers that a model is used with, and how a request takes those it leaves open.

Law: a request that names a number keeps it; any other number is what the model recommends, and where the
model says nothing, what its kind is commonly used with. That is decided here alone. Importing this module
imports no torch.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from editors.requests import rules
from editors.requests.request import Request

if TYPE_CHECKING:
    from editors.requests.edits import StepWindow, WordWindows

EditT = TypeVar("EditT", bound=Request)

Kind = Literal["base", "edit"]
"""A "base" model makes pictures from words; an "edit" model is told a picture too, in twice the channels."""

REACH = 0.35
"""How far from a place a thing is looked for, as a share of the picture's longer side, where nobody says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The settings of an edit; each is explained at the request's field of its name.

    Attributes:
        num_inference_steps: Denoising steps.
        guidance_scale: s_T.
        image_guidance_scale: s_I; of instruction edits.
        cross_replace_steps: Of prompt edits.
        self_replace_steps: Of prompt edits.
        forecast: Of instruction edits.
    """

    num_inference_steps: int
    guidance_scale: float
    image_guidance_scale: float
    cross_replace_steps: WordWindows
    self_replace_steps: StepWindow
    forecast: int = 1


Recommended = Mapping[str, Mapping[str, Any]]
"""Kind of model -> the fields of `Settings` that suit it; for all models of a family, as its files say it."""

_STABLE_DIFFUSION: Mapping[str, Any] = {
    "guidance_scale": 7.5,
    "image_guidance_scale": 1.5,
    "cross_replace_steps": 0.8,
    "self_replace_steps": 0.4,
}
"""What Stable Diffusion's family is used with; the windows are those of Prompt-to-Prompt's examples."""

STANDARD: Mapping[Kind, Settings] = MappingProxyType(
    {
        "base": Settings(num_inference_steps=50, **_STABLE_DIFFUSION),
        "edit": Settings(num_inference_steps=20, **_STABLE_DIFFUSION),
    }
)
"""What a model is used with where its files recommend nothing."""

_RULES: Mapping[str, Mapping[str, Callable[[str, Any], Any]]] = {
    "base": {
        "num_inference_steps": rules.steps,
        "guidance_scale": rules.scale,
        "cross_replace_steps": rules.window,
        "self_replace_steps": rules.window,
    },
    "edit": {
        "num_inference_steps": rules.steps,
        "guidance_scale": rules.scale,
        "image_guidance_scale": rules.scale,
        "forecast": rules.forecast,
    },
}
"""Kind of model -> what its files may recommend, and the rule each value obeys."""


class Recommending(Protocol):
    """A model, or an editor, that says what it is best used with."""

    @property
    def recommended(self) -> Settings:
        """Settings that a request takes where it names none."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedEdit(Generic[EditT]):
    """A request as a model carries it out.

    Attributes:
        edit: The request with nothing left open: on the same model it makes the same picture again.
        seed: Of the noise.
        settings: The numbers, as plain values.
    """

    edit: EditT
    seed: int
    settings: Settings


def resolve(edit: EditT, model: Recommending) -> ResolvedEdit[EditT]:
    """Draw the seed of a request that names none, and take from the model what else it leaves open."""
    named = {item.name for item in fields(Settings)} & {item.name for item in fields(edit)}
    own = {name: getattr(edit, name) for name in named if getattr(edit, name) is not None}
    settings = replace(model.recommended, **own)
    if settings.num_inference_steps != model.recommended.num_inference_steps and "forecast" not in own:
        # How many of the steps a model need not compute was measured with as many as it recommends.
        settings = replace(settings, forecast=1)
    seed = secrets.randbelow(rules.SEED[1] + 1) if edit.seed is None else int(edit.seed)
    whole = replace(edit, seed=seed, **{name: getattr(settings, name) for name in named})
    return ResolvedEdit(edit=whole, seed=seed, settings=settings)


def on_several_noises(edit: EditT, number: int) -> list[EditT]:
    """Return a request with as many seeds in a row, from its own or a drawn one."""
    first = secrets.randbelow(rules.NUM_SEEDS) if edit.seed is None else int(edit.seed)
    return [replace(edit, seed=(first + index) % rules.NUM_SEEDS) for index in range(number)]


def recommended_settings(kind: Kind, family: Recommended) -> Settings:
    """Return what a model of some kind is best used with, by what its family's files say."""
    return replace(STANDARD[kind], **family.get(kind, {}))


def checked(found: Any) -> Recommended:
    """Return what a model's files recommend, as numbers that a request may hold.

    Args:
        found: Kind of model -> name of a setting -> its value, as JSON gives it.

    Raises:
        ValueError: It is anything else.
    """
    try:
        return {
            kind: {name: known[name](name, value) for name, value in found[kind].items()}
            for kind, known in ((kind, _RULES[kind]) for kind in dict(found))
        }
    except (AttributeError, KeyError, TypeError):
        raise ValueError(f"{found!r} names no settings of models") from None
