"""Which schedulers' steps can be retraced."""

from typing import Any

from editors.ddim import is_flow
from editors.errors import InvalidEdit
from editors.prompt_to_prompt.inversion.methods import METHODS
from editors.requests.edits import INVERSIONS, Inversion


def require_invertible(scheduler: Any, method: Inversion) -> None:
    """Require a scheduler whose steps can be retraced.

    Raises:
        InvalidEdit: It is neither DDIM's nor a flow's, a flow's has no room for noise and the method draws
            some, or it clips what it estimates.
    """
    if is_flow(scheduler):
        if METHODS[method].is_stochastic:
            able = [one for one in INVERSIONS if not METHODS[one].is_stochastic]
            raise InvalidEdit(
                "inversion",
                f"{method!r} adds noise at every step, and this model's go straight; choose from "
                f"{', '.join(able)}.",
            )
        return
    kind = type(scheduler).__name__
    if kind != "DDIMScheduler":
        raise InvalidEdit(
            "inversion",
            f"{method!r} retraces DDIM's steps and this model samples with {kind}; "
            'load it with scheduler="ddim".',
        )
    if scheduler.config.clip_sample or scheduler.config.thresholding:
        raise InvalidEdit(
            "inversion",
            f"{method!r} cannot retrace steps that clip their estimate; set clip_sample and "
            "thresholding of the model's scheduler to false.",
        )
