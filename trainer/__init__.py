"""Training: pairs and captioned pictures in, a folder that an editor loads out.

Each model of the chain is a task (`autoencoder`, `text-to-image`, `instruct-pix2pix`); one loop trains them
all.

Law: a run that was killed anywhere and started again ends with the bytes of a run that was never killed.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.config import AutoencoderConfig, InstructPix2PixConfig, TextToImageConfig, TrainConfig
    from trainer.errors import TrainerError
    from trainer.loop import TrainStep, resume, train

__all__ = [
    "AutoencoderConfig",
    "InstructPix2PixConfig",
    "TextToImageConfig",
    "TrainConfig",
    "TrainStep",
    "TrainerError",
    "resume",
    "train",
]

_HOMES = {"TrainStep": "loop", "resume": "loop", "train": "loop", "TrainerError": "errors"}


def __getattr__(name: str) -> Any:
    """Import the public names on first use: the command line asks for configs without waiting for torch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"trainer.{_HOMES.get(name, 'config')}"), name)
