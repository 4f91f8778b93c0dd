"""Edit triplets become edit pairs: Prompt-to-Prompt draws both pictures, several ways, and a scorer looks.

References: InstructPix2Pix (Brooks, Holynski, Efros, 2023, arXiv:2211.09800), section 3.1.2; Prompt-to-Prompt
(Hertz et al., 2022, arXiv:2208.01626). What is drawn is planned in `render_plan`.

Law: the bytes depend on the configuration alone: not on the executor, nor on kills and resumes. Samples and
reasons add up to what was asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Final

import numpy as np

from dataset_builder import records
from dataset_builder.records import ClipScores
from dataset_builder.render.filters import reject_reason
from dataset_builder.render.plan import RenderJob, planned_edits
from dataset_builder.render.tools import RenderTools, load_tools, one_thread
from dataset_builder.render.triplets import TripletRow, read_triplets
from dataset_builder.shards.fill import FAULT, UNDRAWABLE, Running, cut, fill_folder
from dataset_builder.shards.shards import Sample, ShardReport, ShardSpec, png_bytes
from dataset_builder.shards.storage import canonical_json
from editors.errors import AlignmentError, EditorError, InvalidEdit
from editors.requests.edits import PromptEdit
from editors.requests.results import EditResult

PREFIX: Final = "rendered"
_LOGGER: Final = logging.getLogger(__name__)
NOT_NEEDED: Final = "enough_passed"
OpenTools = Callable[[RenderJob], RenderTools]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pair:
    """A drawn pair on its way into a shard."""

    index: int
    result: EditResult
    scores: ClipScores | None = None


@dataclass(kw_only=True, slots=True)
class _Progress:
    """What was drawn of one triplet so far: pairs, and reasons for those that there are not."""

    row: TripletRow
    pairs: list[_Pair] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    over: bool = False


def render_pairs(job: RenderJob, *, open_tools: OpenTools = load_tools) -> Iterator[ShardReport]:
    """Draw what is missing of a dataset of scored pairs; `filter_pairs` then picks the good ones.

    Run it again after a kill and it goes on; run it on a finished dataset and it does nothing.

    Args:
        job: What to draw, and where.
        open_tools: Gives each process its editor and scorer; a function of a module.

    Yields:
        One report a shard, as `build.build_shards` does. Its `start` and `stop` count triplets; its samples
        and rejects add up to `samples_per_triplet` for each of them.

    Raises:
        InvalidJob: The triplets cannot be read.
        EditorError: There is no such model.
        DatasetError: As `build.build_shards` says.
    """
    rows = read_triplets(job.triplets)
    config = job.config(rows)

    def fill(spec: ShardSpec) -> Callable[[], Iterator[Sample | str]]:
        return partial(_fill_shard, job, rows[spec.start : spec.stop], spec.start, open_tools)

    specs = cut(config, len(rows), job.triplets_per_shard, prefix=PREFIX)
    yield from fill_folder(job.out, config=config, specs=specs, fill=fill, running=Running.of(job))


def _fill_shard(
    job: RenderJob, rows: Sequence[TripletRow], first: int, open_tools: OpenTools
) -> Iterator[Sample | str]:
    """Draw a shard round by round: one original of every triplet that still needs one, many in a batch."""
    tools = open_tools(job)
    drawn = [_Progress(row=row) for row in rows]
    with one_thread():
        for source in range(job.sources):
            _draw_round(job, tools, [one for one in drawn if not one.over], source)
    for number, one in enumerate(drawn, start=first):
        for pair in one.pairs:
            yield _sample(f"{number:08d}-{pair.index:03d}", one.row, pair)
        yield from one.missing
        # What was not needed any more is counted, too.
        yield from [NOT_NEEDED] * (job.samples_per_triplet - len(one.pairs) - len(one.missing))


def _draw_round(job: RenderJob, tools: RenderTools, waiting: Sequence[_Progress], source: int) -> None:
    """Draw and score one original of each triplet, with its edits."""
    plans: list[tuple[_Progress, list[tuple[int, PromptEdit]]]] = []
    for one in waiting:
        try:
            plans.append((one, planned_edits(job, one.row, source)))
        except InvalidEdit as error:
            _give_up(job, one, error)
    drawn: list[tuple[_Progress, _Pair]] = []
    for (one, plan), results in zip(plans, _edited(job, tools, [plan for _, plan in plans]), strict=True):
        if isinstance(results, InvalidEdit | AlignmentError):
            _give_up(job, one, results)
        elif isinstance(results, Exception):
            one.missing.extend([_reason(results)] * len(plan))
        else:
            pairs = (_Pair(index=index, result=done) for (index, _), done in zip(plan, results, strict=True))
            drawn.extend((one, pair) for pair in pairs)
    for (one, pair), scores in zip(drawn, _scores(tools, [pair for _, pair in drawn]), strict=True):
        one.pairs.append(replace(pair, scores=scores))
    for one in waiting:
        one.over = one.over or _has_enough(job, one)


def _give_up(job: RenderJob, one: _Progress, error: EditorError) -> None:
    """Count all that was asked of a triplet whose words the model cannot take: other noise would not help."""
    one.missing.extend([_reason(error)] * (job.samples_per_triplet - len(one.missing)))
    one.over = True


def _reason(error: Exception) -> str:
    """Return what a failed pair is counted as: what the editor explains, or a fault that nobody knows."""
    return f"{UNDRAWABLE if isinstance(error, EditorError) else FAULT} {type(error).__name__}"


def _edited(
    job: RenderJob, tools: RenderTools, plans: Sequence[Sequence[tuple[int, PromptEdit]]]
) -> list[list[EditResult] | Exception]:
    """Draw the pairs of each plan, all together; where one of them fails, each by itself."""
    edits = [edit for plan in plans for _, edit in plan]
    try:
        results = iter(tools.editor.edit_many(edits, batch_size=job.batch_size * job.samples_per_source))
        return [[next(results) for _ in plan] for plan in plans]
    except Exception as error:
        if len(plans) == 1:
            odd = not isinstance(error, EditorError)
            _LOGGER.warning("%r could not be drawn: %r", plans[0][0][1].edited_prompt, error, exc_info=odd)
            return [error]
        return [_edited(job, tools, [plan])[0] for plan in plans]


def _scores(tools: RenderTools, pairs: Sequence[_Pair]) -> list[ClipScores | None]:
    """Score drawn pairs, if there is a scorer."""
    if tools.score is None or not pairs:
        return [None] * len(pairs)
    edits = [pair.result.edit for pair in pairs]
    assert all(isinstance(edit, PromptEdit) for edit in edits)
    return list(
        tools.score(
            [np.asarray(pair.result.original_image) for pair in pairs],
            [np.asarray(pair.result.edited_image) for pair in pairs],
            [edit.original_prompt for edit in edits if isinstance(edit, PromptEdit)],
            [edit.edited_prompt for edit in edits if isinstance(edit, PromptEdit)],
        )
    )


def _has_enough(job: RenderJob, one: _Progress) -> bool:
    """Say whether enough pairs of a triplet pass."""
    if job.enough is None:
        return False
    thresholds = job.needed()
    passing = (pair.scores and reject_reason(pair.scores, thresholds) is None for pair in one.pairs)
    return sum(map(bool, passing)) >= job.enough


def _sample(key: str, row: TripletRow, pair: _Pair) -> Sample:
    """Put a drawn pair into columns."""
    edit = pair.result.edit
    assert isinstance(edit, PromptEdit) and pair.result.original_image is not None
    words: dict[str, Any] = {
        records.ORIGINAL_PROMPT: row.triplet.original_prompt,
        records.EDIT_PROMPT: row.triplet.edit_prompt,
        records.EDITED_PROMPT: row.triplet.edited_prompt,
        **row.known,
        records.TRIPLET: row.id,
        records.SEED: pair.result.seed,
        records.RECIPE: edit.recipe,
        records.GUIDANCE_SCALE: edit.guidance_scale,
        records.NUM_INFERENCE_STEPS: edit.num_inference_steps,
        records.CROSS_REPLACE_STEPS: edit.cross_replace_steps,
        records.SELF_REPLACE_STEPS: edit.self_replace_steps,
    }
    if pair.scores is not None:
        # Six digits: enough for any threshold, and the last bits of a machine do not matter.
        words[records.SCORES] = {name: round(value, 6) for name, value in asdict(pair.scores).items()}
    parts = {
        f"{records.ORIGINAL_IMAGE}.png": png_bytes(np.asarray(pair.result.original_image)),
        f"{records.EDITED_IMAGE}.png": png_bytes(np.asarray(pair.result.edited_image)),
        "json": canonical_json(words).encode(),
    }
    return Sample(key=key, parts=parts)
