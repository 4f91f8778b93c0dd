"""Where a large model's parts lie while it is used, by name. Importing this module imports no torch."""

from typing import Final, Literal, get_args

Residence = Literal["full", "offload", "int8"]
"""All on the device; or each in main memory until it is called, when it is brought there; or all on the
device, matrices in eight bits."""
MemoryUse = Literal["auto", "full", "offload", "int8"]
"""What can be asked for: "auto" is the first of these that there is room for."""
MEMORY_USES: Final[tuple[MemoryUse, ...]] = get_args(MemoryUse)
