"""The errors a user of the trainer can meet: one sentence each, naming the field or file and the remedy."""

from editors.errors import OfField


class TrainerError(Exception):
    """Base of everything the trainer reports to its user."""


class InvalidConfig(OfField, TrainerError, ValueError):
    """A field of a configuration has a value that cannot be used."""


class ConfigChanged(TrainerError):
    """The run folder belongs to a run of another configuration, data or starting weights."""


class UnusableData(TrainerError):
    """The data folder does not hold what this model learns from."""


class CorruptRun(TrainerError):
    """The run folder cannot be continued."""


class OutOfMemory(TrainerError):
    """A step takes more memory than there is."""


class TrainingDiverged(TrainerError):
    """The loss is no longer a finite number."""
