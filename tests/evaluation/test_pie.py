"""PIE-Bench's protocol on a small folder in its layout, made of scenes, with toy models throughout."""

import json
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, ViTConfig, ViTModel

from dataset_builder import records
from dataset_builder.build_scenes import SceneJob, build_scenes
from dataset_builder.errors import UnreadableDataset
from dataset_builder.shards.dataset import read_dataset
from editors import InstructPix2PixEditor, PromptToPromptEditor
from editors.model.loading.load import from_pipeline
from evaluation import pie as pie_module
from evaluation import pie_metrics
from evaluation.figures import MAX_PSNR
from evaluation.pie import evaluate_pie
from evaluation.pie_bench import PieBench, PieCase
from evaluation.pie_job import PieJob
from evaluation.pie_metrics import METRICS, Compared, PieMetrics
from evaluation.pie_report import notes, page
from tests import tiny

NUM = 3
NOWHERE = "./no/such/folder"


def runs(mask):
    """A mask as the benchmark writes it: start and length of each run, row by row."""
    flat = np.concatenate([[0], mask.reshape(-1).astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(flat))
    return [int(n) for start, end in zip(edges[::2], edges[1::2], strict=True) for n in (start, end - start)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scenes in PIE-Bench's layout."""
    made = tmp_path_factory.mktemp("pie")
    job = SceneJob(
        out=made / "pairs", world="offline", num=NUM, size=64, seed=2, pairs=True, split="held_out"
    )
    for _ in build_scenes(job):
        pass
    entries = {}
    for number, sample in enumerate(read_dataset(job.out).samples()):
        path = made / "annotation_images" / "1_change_object" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample[records.ORIGINAL_IMAGE]).save(path)
        entries[f"{number:012d}"] = {
            "image_path": f"1_change_object/{number}.png",
            "original_prompt": "a [cat] in the snow",
            "editing_prompt": "a [dog] in the snow",
            "editing_instruction": "turn the cat into a dog",
            "editing_type_id": str(number % 2 + 1),
            "blended_word": "cat dog" if number else "",
            "mask": runs(sample[records.MASK] > 127),
        }
    (made / "mapping_file.json").write_text(json.dumps(entries), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    path = tmp_path_factory.mktemp("dino")
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20}
    with tiny.seeded(0):
        ViTModel(ViTConfig(image_size=32, patch_size=8, **size), add_pooling_layer=False).save_pretrained(
            path
        )
    return str(path)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip")
    tokenizer = tiny.clip_tokenizer()
    size = {"hidden_size": 16, "intermediate_size": 20, "num_attention_heads": 2, "num_hidden_layers": 2}
    last = len(tokenizer) - 1
    text = {**size, "vocab_size": len(tokenizer), "eos_token_id": last, "bos_token_id": last - 1}
    vision = {**size, "image_size": 32, "patch_size": 8}
    with tiny.seeded(0):
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32).save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def editors():
    """Of two seeds: their autoencoders differ."""
    return {
        "prompt_editor": PromptToPromptEditor.from_pipeline(tiny.pipeline(kind="base", seed=1)),
        "instruction_editor": InstructPix2PixEditor.from_pipeline(tiny.pipeline()),
    }


def job(folder, out, **changes):
    return PieJob(**{"data": folder, "out": out, "num_inference_steps": 2, **changes})


def finished(job, editors):
    """All scores of a run, and its report."""
    *scores, report = evaluate_pie(job, **editors)
    return scores, report


def begun(job, editors):
    """A run to stop half-way."""
    return evaluate_pie(job, **editors)


@pytest.fixture(scope="module")
def report(folder, dino, clip, editors, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    scores, report = finished(job(folder, out, dino=dino, clip=clip), editors)
    return SimpleNamespace(out=out, scores=scores, report=report)


def whole_of(report):
    """The line over all kinds of what one method made."""
    return report.line(report.name)


def figures(report, row):
    (found,) = [one for one in report.rows if one.name == row]
    return found.line(row).figures


def test_the_rows_stand_beside_the_unchanged_picture_and_the_autoencoders(report):
    rows = [row.name for row in report.report.rows]
    assert rows == [
        "prompt-to-prompt",
        "instruct-pix2pix",
        "unchanged",
        "autoencoder",
        "autoencoder of instruct-pix2pix",
    ]
    assert len(report.scores) == NUM * len(rows)
    assert all(line.num == NUM and not line.failed for line in map(whole_of, report.report.rows))


def test_an_autoencoder_that_both_share_is_measured_once(folder):
    bench = PieBench.read(folder)
    for seeds, num in (((0, 0), 1), ((0, 1), 2)):
        models = {str(n): from_pipeline(tiny.pipeline(seed=seed)) for n, seed in enumerate(seeds)}
        assert len(pie_module._floors(models, bench)) == num


def test_the_unchanged_picture_has_the_best_figures_of_the_background(report):
    unchanged = figures(report.report, "unchanged")
    assert unchanged["structure_distance"].mean == unchanged["mse"].mean == 0
    assert unchanged["psnr"].mean == MAX_PSNR and unchanged["ssim"].mean == 1
    for row in report.report.rows:
        if row.name != "unchanged":
            edited = whole_of(row).figures
            assert edited["structure_distance"].mean > 0 and edited["mse"].mean > 0
            assert edited["psnr"].mean < MAX_PSNR and edited["ssim"].mean < 1
        assert 0 <= whole_of(row).figures["clip_whole"].mean <= 100


def test_the_report_names_its_models_and_what_was_not_measured(report, dino, clip, monkeypatch):
    assert report.report.models["structure_distance"] == dino
    assert report.report.models["clip_edited"] == clip
    assert set(report.report.models) | set(report.report.missing) == set(METRICS)
    text = "\n".join(notes(report.report))
    assert dino in text and clip in text and dino in "\n".join(page(report.report))


def test_a_figure_without_its_model_says_why_and_hinders_no_other(folder, tmp_path, editors, monkeypatch):
    monkeypatch.setitem(sys.modules, "lpips", None)  # as if not installed
    _, found = finished(job(folder, tmp_path / "out", dino=NOWHERE, clip=NOWHERE), editors)
    assert set(found.missing) == {"structure_distance", "lpips", "clip_whole", "clip_edited"}
    said = "\n".join(notes(found))
    for name in found.missing:
        assert f"{name}: not measured: " in said
        assert figures(found, "unchanged")[name] is None
    assert figures(found, "unchanged")["psnr"] is not None


def test_what_was_edited_and_measured_is_kept(folder, dino, clip, editors, tmp_path, monkeypatch):
    whole = job(folder, tmp_path / "whole", dino=dino, clip=clip, num=2)
    _, expected = finished(whole, editors)
    broken = job(folder, tmp_path / "broken", dino=dino, clip=clip, num=2)
    steps = begun(broken, editors)
    for _ in range(4):
        next(steps)
    steps.close()
    with (broken.out / "scores.jsonl").open("ab") as file:
        file.write(b'{"run": "cut off by a ki')
    _, resumed = finished(broken, editors)
    assert resumed == expected
    # Another figure measures again, but edits nothing again.
    monkeypatch.setattr(
        PromptToPromptEditor, "edit", lambda *_: pytest.fail("a picture that is kept was edited again")
    )
    monkeypatch.setattr(InstructPix2PixEditor, "edit", PromptToPromptEditor.edit)
    _, again = finished(job(folder, broken.out, dino=NOWHERE, clip=clip, num=2), editors)
    assert figures(again, "prompt-to-prompt")["structure_distance"] is None
    assert figures(again, "prompt-to-prompt")["psnr"] == figures(expected, "prompt-to-prompt")["psnr"]
    pictures = [path.relative_to(whole.out) for path in sorted(whole.out.rglob("*.png"))]
    assert pictures and all(
        (whole.out / path).read_bytes() == (broken.out / path).read_bytes()
        for path in pictures
        if path.name != "grid.png"
    )


def test_what_cannot_be_edited_is_counted_by_reason(folder, tmp_path, editors, dino, clip):
    entries = json.loads((folder / "mapping_file.json").read_text(encoding="utf-8"))
    first = next(iter(entries))
    entries[first]["blended_word"] = "lynx dog"
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / "annotation_images").symlink_to(folder / "annotation_images")
    (odd / "mapping_file.json").write_text(json.dumps(entries), encoding="utf-8")
    scores, found = finished(job(odd, tmp_path / "out", num=2, dino=dino, clip=clip), editors)
    row = whole_of(found.rows[0])
    assert row.num == 1 and sum(row.failed.values()) == 1
    assert "“lynx” is not in original_prompt" in next(iter(row.failed))
    assert any("1 not edited: " in note for note in notes(found))
    assert [row.key for step in scores for row in step.rows if row.failed] == [first]


def test_structure_is_read_from_the_last_layers_keys(dino):
    """The published measure, with the keys taken by a hook instead of computed beside the model."""
    distance = pie_metrics.dino_structure(dino, "cpu")
    first, second = (np.array(tiny.photo((32, 32), seed=seed)) for seed in (1, 2))
    model = ViTModel.from_pretrained(dino, add_pooling_layer=False).eval()
    keys = []
    model.layers[-1].attention.k_proj.register_forward_hook(lambda *call: keys.append(call[2][0]))
    mean, std = (
        torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    with torch.no_grad():
        for picture in (first, second):
            model(((torch.from_numpy(picture).permute(2, 0, 1).float() - mean) / std)[None])
    maps = [torch.cosine_similarity(one[:, None], one[None], dim=-1) for one in keys]
    assert distance(first, second) == pytest.approx(float((maps[0] - maps[1]).square().mean()), rel=1e-4)
    assert distance(first, first) == 0
    assert distance(np.tile(first, (1, 2, 1)), np.tile(second, (1, 2, 1))) > 0  # twice as wide as high


def test_lpips_is_told_the_background_alone_in_the_range_it_was_trained_on(monkeypatch):
    seen = []

    class Lpips(torch.nn.Module):
        def __init__(self, **options):
            super().__init__()
            assert options["net"] == "squeeze"

        def forward(self, first, second):
            seen.extend([first, second])
            return (first - second).abs().mean()

    fake = ModuleType("lpips")
    fake.LPIPS = Lpips  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lpips", fake)
    metrics = PieMetrics.load(dino=NOWHERE, clip=NOWHERE, device="cpu")
    region = np.zeros((16, 16), bool)
    region[:8] = True
    source, edited = np.full((16, 16, 3), 255, np.uint8), np.full((16, 16, 3), 0, np.uint8)
    figures = metrics.measure(Compared(source=source, edited=edited, region=region, prompt=""))
    assert seen[0][..., 8:, :].eq(1).all() and seen[0][..., :8, :].eq(-1).all() and seen[1].eq(-1).all()
    assert figures["lpips"] == 1
    assert figures["mse"] == 0.5 and figures["psnr"] == pytest.approx(10 * np.log10(2))


def test_without_a_background_there_are_no_figures_of_it():
    metrics = PieMetrics.load(dino=NOWHERE, clip=NOWHERE, device="cpu")
    picture = np.array(tiny.photo())
    found = metrics.measure(
        Compared(source=picture, edited=picture, region=np.ones((32, 32), bool), prompt="")
    )
    assert found["psnr"] is found["mse"] is found["ssim"] is found["lpips"] is None


def case(**changes):
    entry = {
        "image_path": "0.png",
        "original_prompt": "a [cat]",
        "editing_prompt": "a dog",
        "editing_instruction": "a dog",
        "editing_type_id": 0,
        "blended_word": "",
        "mask": [],
    }
    return PieCase.of("one", {**entry, **changes})


def test_a_mask_is_read_row_by_row_and_its_border_may_change():
    assert case().original_prompt == "a cat"
    region = case(mask=[4 * 6 + 2, 3, 5 * 6 + 1, 17]).edited_region(8, 6)
    expected = np.zeros((8, 6), bool)
    expected[4, 2:5] = expected[5, 1:] = expected[6:] = True
    expected[[0, -1]] = expected[:, [0, -1]] = True
    assert np.array_equal(region, expected)
    mask = np.random.default_rng(0).random((9, 7)) > 0.5
    mask[[0, -1]] = mask[:, [0, -1]] = True
    assert np.array_equal(case(mask=runs(mask)).edited_region(9, 7), mask)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mask": [1]}, "a mask of 1 numbers"),
        ({"mask": ["x"]}, "cannot be read"),
        ({"editing_type_id": "11"}, "cannot be read"),
        ({"blended_word": "cat"}, "1 blended words"),
    ],
)
def test_an_entry_that_cannot_be_read_is_named(changes, says):
    with pytest.raises(UnreadableDataset, match=f"entry 'one' .*{says}"):
        case(**changes)


def test_a_folder_of_another_layout_is_one_sentence(tmp_path, folder):
    with pytest.raises(UnreadableDataset, match=r"give a folder in PIE-Bench's layout"):
        PieBench.read(tmp_path)
    (tmp_path / "mapping_file.json").write_bytes((folder / "mapping_file.json").read_bytes())
    with pytest.raises(UnreadableDataset, match="is missing, which entry '000000000000' names"):
        PieBench.read(tmp_path).head(1)
    for mask in ([700, 2], [0, 401], [399, 2], [-1, 2], [3, -1]):
        with pytest.raises(UnreadableDataset, match=r"has a mask from pixel .*, but its picture is 20×20"):
            case(mask=mask).edited_region(20, 20)


def test_only_the_pictures_that_are_asked_for_are_needed_and_none_outside(folder):
    bench = PieBench.read(folder)
    last = bench.cases[-1]
    bench.path(last).unlink()
    assert len(bench.head(len(bench.cases) - 1).cases) == len(bench.cases) - 1
    with pytest.raises(UnreadableDataset, match="leads out of annotation_images"):
        bench.path(replace(last, image_path="../../secret.jpg"))
