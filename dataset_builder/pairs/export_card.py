"""The card of an exported dataset: what is in it, how it was made, what was left out and why.

Law: every figure on it was counted; what is not known is not said.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from dataset_builder.render.filter_pairs import FUNNEL_FILE
from dataset_builder.shards.dataset import DatasetInfo
from editors.requests.spelling import as_json

_DATA_FILES: Final = {"parquet": "data/train-*.parquet", "webdataset": "train-*.tar", "imagefolder": ""}
_COLUMNS: Final = """| column | what |
|---|---|
| `input_image` | the picture before |
| `edit_prompt` | the instruction |
| `edited_image` | the picture after |
| `original_prompt`, `edited_prompt` | captions of the two pictures |
| `kind` | kind of the edit, where it is known |
| `seed`, `recipe`, `guidance_scale`, `num_inference_steps`, `cross_replace_steps`, `self_replace_steps` | \
how Prompt-to-Prompt drew the pair, where it did |
| `clip_*` | cosines of the scorer: pictures with each other, each with its caption, and the direction of \
the change |
"""


def card(
    name: str,
    license_name: str,
    form: str,
    info: DatasetInfo,
    count: int,
    left_out: Mapping[str, int],
    kinds: Mapping[str, int],
) -> str:
    """Write the card.

    Args:
        name: Of the dataset.
        license_name: As the Hub spells it.
        form: "parquet", "imagefolder" or "webdataset".
        info: The dataset that was exported.
        count: Pairs written.
        left_out: Pairs that were not, by reason.
        kinds: Pairs written, by kind.
    """
    head = [
        "---",
        f"license: {json.dumps(license_name)}",
        f"pretty_name: {as_json(name)}",
        "task_categories:",
        "- image-to-image",
        "tags:",
        "- instruct-pix2pix",
    ]
    if _DATA_FILES[form]:
        head += [
            "configs:",
            "- config_name: default",
            "  data_files:",
            "  - split: train",
            f"    path: {_DATA_FILES[form]}",
        ]
    parts = [
        "\n".join([*head, "---"]),
        f"# {name}",
        f"{count} pairs of pictures with the instruction that leads from one to the other, for training "
        "editors after InstructPix2Pix (Brooks, Holynski, Efros, 2023).",
        f"## Columns\n\n{_COLUMNS}",
        f"## What was left out\n\n{_table(left_out, 'reason', 'pairs') or 'Nothing.'}",
    ]
    if any(kinds):
        parts.append(f"## Kinds of edits\n\n{_table(kinds, 'kind', 'pairs')}")
    funnel = _funnel(info)
    if funnel:
        parts.append(f"## From triplets to pairs\n\n{_table(funnel, 'stage', 'number')}")
    made = as_json(dict(info.config), indent=1, sort_keys=True)
    parts.append(
        f"## How it was made\n\nData hash `{info.data_hash}`, configuration:\n\n```json\n{made}\n```"
    )
    return "\n\n".join(parts) + "\n"


def _funnel(info: DatasetInfo) -> dict[str, int]:
    """Return the counts that the filter left beside the pairs, if it did."""
    try:
        found: dict[str, Any] = json.loads((info.folder / FUNNEL_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    rejects = found.pop("rejects", {})
    return {**found, **{f"left out: {reason}": number for reason, number in rejects.items()}}


def _table(counts: Mapping[str, int], left: str, right: str) -> str:
    """Write counts as a table; nothing where there are none."""
    if not counts:
        return ""
    rows = "\n".join(f"| {key or 'unknown'} | {number} |" for key, number in sorted(counts.items()))
    return f"| {left} | {right} |\n|---|---|\n{rows}"
