"""A job as an array of a Slurm cluster: the script that starts its parts, for a person to submit.

Law: each task is one part (`fill.Running.part`) of the same job; tasks share nothing but the folder, may run
at once or one after another, and any of them may be run again.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

TASK: Final = '"$SLURM_ARRAY_TASK_ID"'


def array_script(command: Sequence[str], *, tasks: int, name: str) -> str:
    """Write the script: `sbatch` starts it once for every part.

    Args:
        command: What runs the whole job, without its part.
        tasks: Number of parts.
        name: What the queue calls it.

    Returns:
        A bash script.
    """
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name={name}",
        f"#SBATCH --array=0-{tasks - 1}",
        "#SBATCH --ntasks=1",
        "#SBATCH --cpus-per-task=1",
        f"#SBATCH --output={name}-%A-%a.log",
        "#SBATCH --requeue",
        f"exec {shlex.join(command)} --part {TASK}/{tasks}",
    ]
    return "\n".join(lines) + "\n"
