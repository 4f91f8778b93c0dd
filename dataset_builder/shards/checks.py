"""The checks of fields of jobs, and the limits that several share."""

from __future__ import annotations

from typing import Final

from dataset_builder.errors import InvalidJob
from editors.checks import Checks
from editors.requests.rules import SEED

MAX_JOBS: Final = 256
MAX_SEED: Final = SEED[1]
CHECKS: Final = Checks(InvalidJob.of)
