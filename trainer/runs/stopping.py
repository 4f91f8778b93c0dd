"""Being told to stop: by the scheduler of a cluster, which soon takes the machine away, or by the clock.

Law: a run that is told to stop ends its step, saves a checkpoint and leaves; what stood in the place of the
signal before stands there again afterwards.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator


class StopSignal:
    """Listens for SIGTERM while the context is open; outside the main thread it cannot, and does not.

    Args:
        deadline: Time of `time.monotonic` from which on to stop; never where none is given.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self._asked, self._deadline = False, deadline
        self._before: Any = None
        self._listening = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> StopSignal:
        if self._listening:
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._listening:
            signal.signal(signal.SIGTERM, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._asked = True

    def asked(self, accelerator: Accelerator) -> bool:
        """Say whether any process was told to stop: all must leave after the same step."""
        own = self._asked or (self._deadline is not None and time.monotonic() >= self._deadline)
        if accelerator.num_processes == 1:
            return own
        asked = torch.tensor([own], dtype=torch.int32, device=accelerator.device)
        return bool(accelerator.gather(asked).any())
