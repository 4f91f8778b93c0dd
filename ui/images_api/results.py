"""Pictures that are fetched by their address: each under a secret name, for an hour.

Law: who does not know the name gets nothing, and neither does who comes too late.
"""

import secrets
import time
from pathlib import Path
from typing import Final

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

    def keep(self, content: bytes) -> str:
        """Keep a PNG; return its name. The oldest, and those whose hour is over, go."""
        now = time.monotonic()
        over = [name for name, since in self._since.items() if now - since > KEPT_SECONDS]
        over += list(self._since)[: max(0, len(self._since) - len(over) + 1 - MOST)] if not over else []
        for name in over:
            self._since.pop(name, None)
            (self._folder / name).unlink(missing_ok=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{secrets.token_urlsafe(32)}{SUFFIX}"
        (self._folder / name).write_bytes(content)
        self._since[name] = now
        return name

    def place(self, name: str) -> Path | None:
        """Return the file of a name; None where there is none, or its hour is over."""
        since = self._since.get(name)
        if since is None or time.monotonic() - since > KEPT_SECONDS:
            return None
        return self._folder / name
