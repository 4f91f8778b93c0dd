"""Where a model's parts lie while it is used, by name. Importing this module imports no torch."""

from typing import Final, Literal, get_args

Residence = Literal["full", "offload"]
"""All parts on the device, or each in main memory until it is called: then it is brought there."""
MemoryUse = Literal["auto", "full", "offload"]
"""What can be asked for: "auto" is "full" where that fits, and "offload" where it does not but that does."""
MEMORY_USES: Final[tuple[MemoryUse, ...]] = get_args(MemoryUse)
