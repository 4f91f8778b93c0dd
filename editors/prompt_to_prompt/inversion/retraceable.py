"""Which schedulers' steps can be retraced."""

from typing import Any

from editors.errors import InvalidEdit


def require_invertible(scheduler: Any, method: str) -> None:
    """Require a scheduler whose steps can be retraced.

    Raises:
        InvalidEdit: It is not DDIM's, or it clips what it estimates.
    """
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
