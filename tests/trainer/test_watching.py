"""Watching a run: what is told is what was written, and the run does not notice."""

import json
from pathlib import Path
from statistics import fmean

import pytest
from PIL import Image

from editors import InstructPix2PixEditor
from tests.trainer import toy
from trainer.errors import CorruptRun, InvalidConfig
from trainer.loop import train
from trainer.runs import checkpoint
from trainer.tasks.grids import columns_of
from trainer.tasks.instruct_pix2pix import editor_at
from trainer.watching import heard_of, run_below, runs_below, thinned, watch


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def run(chain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("watched") / "lab" / "run"
    config = toy.edit_config(
        chain, out=out, steps=6, sample_every=2, validation_data=chain / "pairs", validate_every=3
    )
    for record in train(config):
        before = content(out)
        facts = watch(out)
        assert (facts.step, facts.losses[-1]) == (record.step, (record.step, record.loss))
        assert facts.config == config and not facts.is_finished
        assert content(out) == before
    return out


def test_a_finished_run_tells_all_it_wrote(run: Path) -> None:
    facts = watch(run)
    assert facts.is_finished and facts.step == facts.saved == facts.config.steps == 6
    assert [step for step, _ in facts.losses] == [1, 2, 3, 4, 5, 6]
    assert list(facts.samples) == [2, 4, 6] and all(facts.sample(step).is_file() for step in facts.samples)
    for step in facts.samples:  # the pairs of the data, each below its instruction
        with Image.open(facts.sample(step)) as picture:
            columns = columns_of(picture)
        assert len(columns) == 10 and set(columns) == {"make it red", "make it blue", "make it gold"}
    assert [line["step"] for line in facts.figures] == [3, 6]
    assert facts.seconds_left == 0


def test_a_line_in_the_middle_of_being_written_stays_as_it_is(run: Path) -> None:
    log, facts = run / "log.jsonl", watch(run)
    whole = log.read_bytes()
    heard = heard_of(run)
    try:
        log.write_bytes(whole + b'{"step": 7, "lo')
        assert watch(run) == facts and log.read_bytes() == whole + b'{"step": 7, "lo'
        assert heard_of(run) != heard
        log.write_bytes(whole + json.dumps({"step": 7, "loss": 0.5}).encode() + b"\n")
        assert watch(run).losses[-1] == (7, 0.5)
    finally:
        log.write_bytes(whole)


@pytest.mark.parametrize("number", [0, 1, 9, 10, 11, 1000])
def test_a_thinned_curve_has_the_same_mean_and_ends_where_it_did(number: int) -> None:
    losses = [(5 * (k + 1), float(k % 7)) for k in range(number)]
    points = thinned(losses, 10)
    assert len(points) <= 10 and [step for step, _ in points] == sorted({step for step, _ in points})
    if number:
        assert points[-1][0] == losses[-1][0]
    if number and number % 10 == 0:  # as many in each
        assert fmean(loss for _, loss in points) == pytest.approx(fmean(loss for _, loss in losses))


def test_runs_are_found_below_and_nothing_else_is_opened(run: Path) -> None:
    root = run.parent.parent
    assert runs_below(root) == ["lab/run"] and runs_below(run) == ["."]
    assert run_below(root, "lab/run") == run
    for name in ("lab/run/model", "lab", f"../{root.name}/lab/run", str(run), "", None, "nowhere"):
        assert run_below(root, name) is None


def test_the_average_of_a_checkpoint_is_the_one_to_go_on_with(run: Path) -> None:
    state = checkpoint.newest(run)
    assert state is not None
    average = checkpoint.average_at(run, state.step)
    assert average is not None and average.keys() == state.average.keys()
    assert all(average[name].equal(state.average[name]) for name in average)
    assert checkpoint.average_at(run, 1) is None  # not there
    weights = run / "checkpoints" / f"checkpoint-{state.step:08d}" / "ema.safetensors"
    whole = weights.read_bytes()
    try:
        weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert checkpoint.average_at(run, state.step) is None
    finally:
        weights.write_bytes(whole)


@pytest.mark.parametrize("rank", [None, 2])
def test_a_checkpoint_edits_as_the_model_does_that_the_run_exports(
    chain: Path, tmp_path: Path, rank: int | None
) -> None:
    config = toy.edit_config(chain, out=tmp_path / "run", steps=4, checkpoint_every=4, lora_rank=rank)
    for _ in train(config):
        pass
    exported = InstructPix2PixEditor.from_pretrained(str(config.out), device="cpu").model.unet.state_dict()
    tried = editor_at(config.out, 4, device="cpu").model.unet.state_dict()
    assert tried.keys() == exported.keys()
    assert all(tried[name].equal(exported[name]) for name in exported)


def test_a_checkpoint_that_is_gone_and_a_run_of_another_kind_are_one_sentence(chain: Path, run: Path) -> None:
    with pytest.raises(CorruptRun, match=r"^run: its checkpoint of step 1 is gone or damaged; take the"):
        editor_at(run, 1, device="cpu")
    with pytest.raises(InvalidConfig, match="trains text-to-image, which follows no instructions"):
        editor_at(chain / "base", 2, device="cpu")
