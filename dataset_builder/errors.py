"""The errors a user of the dataset builder can meet, as one small tree.

Law: every message is one sentence that names the field or file, its value, what is allowed and the remedy.
The command line and the page show these only; any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

from editors.errors import OfField


class DatasetError(Exception):
    """Base of everything the dataset builder reports to its user."""


class InvalidJob(OfField, DatasetError):
    """A field of a job has a value that cannot be used."""


class ConfigChanged(DatasetError):
    """The folder holds a dataset of another configuration."""


class FolderBusy(DatasetError):
    """Another run is writing to the folder."""


class UnreadableDataset(DatasetError):
    """The folder holds no finished dataset, or one of its files is damaged."""


class StorageFailed(DatasetError):
    """A file could not be written: disk full, folder read-only, and the like."""


class TooManyErrors(DatasetError):
    """More samples failed than the run accepts."""


class WorkerLost(DatasetError):
    """Worker processes were killed more often than the run accepts."""


class JudgeMissing(DatasetError):
    """The folder holds no judge, or its files are damaged."""


class ChangedWorld(DatasetError):
    """The judge learnt another version of its world than is drawn now."""


class WriterStopped(DatasetError):
    """The server that writes cannot be used, or no longer; what it wrote is kept, the job can go on later."""


class BudgetSpent(DatasetError):
    """The money for a job is spent before all of it is done."""


class ScorerMissing(DatasetError):
    """There is no scorer of that name, or its files are damaged."""
