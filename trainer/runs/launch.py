"""The device that a run computes on, and which process of how many this is.

Law: a device that was asked for is used or refused, never replaced; and what a launcher left behind in the
environment is not taken for a launch: a process trains alone, or says what is missing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from accelerate import PartialState

from editors.errors import InvalidEdit, told_as
from editors.model.devices import choose_device
from trainer.errors import InvalidConfig

if TYPE_CHECKING:
    from trainer.config_base import TrainConfig

LAUNCH: Final = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What `torchrun` and `accelerate launch` tell each of their processes."""
_SIZES: Final = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
_log = logging.getLogger(__name__)


def process_state(config: TrainConfig) -> PartialState:
    """Return this process's place among those that train, on the device of the configuration.

    Raises:
        InvalidConfig: There is no such device here, the environment tells of others but not how to meet them,
            or they cannot be met.
    """
    if config.device != "auto":
        try:
            choose_device(config.device)
        except InvalidEdit as error:
            raise InvalidConfig(str(error)) from None
    for name in leftovers(os.environ):
        _log.warning("%s was left behind by a launcher: training alone.", name)
        del os.environ[name]
    with told_as(
        lambda reason: InvalidConfig(
            f"launch: the processes cannot meet ({reason}); start them all with one `torchrun`, or unset "
            f"{', '.join(LAUNCH)}."
        )
    ):
        return PartialState(cpu=config.device == "cpu")


def leftovers(environment: Mapping[str, str]) -> list[str]:
    """Return the variables of a launch that is none, which would be taken for one.

    Raises:
        InvalidConfig: They tell of several processes, but not how these meet.
    """
    there = [name for name in LAUNCH if environment.get(name)]
    numbers = {name: environment[name] for name in {*there, *_SIZES} - {"MASTER_ADDR"} if name in environment}
    is_launch = len(there) == len(LAUNCH) and all(number.isdecimal() for number in numbers.values())
    if is_launch:
        return []
    several = [name for name in _SIZES if numbers.get(name, "").isdecimal() and int(numbers[name]) > 1]
    if several and not (environment.get("MASTER_ADDR") and several != ["WORLD_SIZE"]):
        missing = ", ".join(name for name in LAUNCH if name not in there)
        raise InvalidConfig(
            f"launch: {several[0]} says that {numbers[several[0]]} processes train, but {missing} do not say "
            "how they meet; start them with `torchrun`, or unset it."
        )
    return [name for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE") if name in environment and not several]
