"""Words of the Train tab about a run: how far it is, what is seen in its grids, whether it can be tried."""

import time

from trainer.config import InstructPix2PixConfig
from trainer.watching import RunFacts, heard_of
from ui.server.watch import duration

TRY = "Try this model"
ROWS = {
    "instruct-pix2pix": "Rows: original, the model's edit, what it should be.",
    "autoencoder": "Rows: original, how it comes back.",
}
"""Task -> what is seen in its grids."""


def trial_words(facts: RunFacts) -> str:
    """Return what the button says that tries a run."""
    if not isinstance(facts.config, InstructPix2PixConfig):
        return "Only models that follow instructions can be tried here"
    if not facts.is_finished and not facts.saved:
        return "No checkpoint is there yet"
    return TRY if facts.is_finished else f"Try the checkpoint of step {facts.saved}"


def progress_of(facts: RunFacts) -> str:
    """Say how far a run is."""
    if facts.is_finished:
        return f"Finished after {facts.config.steps} steps."
    ago = time.time() - max(when for _, when in heard_of(facts.folder)) / 1e9
    left = facts.seconds_left
    if facts.step >= facts.config.steps:
        return f"All {facts.config.steps} steps are done; saving the model ..."
    words = f"Step {facts.step} of {facts.config.steps}"
    words += "" if left is None else f", about {duration(left)} of training left"
    return f"{words}; last heard of {duration(max(0.0, ago))} ago."
