"""Pictures that are fetched by their address: each under a secret name, for an hour.

Law: who does not know the name gets nothing, and neither does who comes too late.
"""

import secrets
import time
from pathlib import Path
from threading import Lock
from typing import Final

from editors import EditFailed
from editors.files import reason_of

KEPT_SECONDS: Final = 3600.0
MOST: Final = 500
SUFFIX: Final = ".png"


class Results:
    """Files of results in one folder.

    Args:
        folder: Where; nobody else writes there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._since = folder, dict[str, float]()
        self._keeping = Lock()

    def keep(self, content: bytes) -> str:
        """Keep a PNG; return its name. The oldest, and those whose hour is over, go.

        Raises:
            EditFailed: It cannot be written.
        """
        name, now = f"{secrets.token_urlsafe(32)}{SUFFIX}", time.monotonic()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / name).write_bytes(content)
        except OSError as error:
            raise EditFailed(f"The result cannot be kept ({reason_of(error)}); make room.") from None
        with self._keeping:
            self._since[name] = now
            over = [one for one, since in self._since.items() if now - since > KEPT_SECONDS]
            young = [one for one in self._since if one not in over]
            over += young[: max(0, len(young) - MOST)]
            for one in over:
                del self._since[one]
        for one in over:
            (self._folder / one).unlink(missing_ok=True)
        return name

    def place(self, name: str) -> Path | None:
        """Return the file of a name; None where there is none, or its hour is over."""
        since = self._since.get(name)
        if since is None or time.monotonic() - since > KEPT_SECONDS:
            return None
        return self._folder / name
