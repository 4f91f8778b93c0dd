"""Exit codes, one-sentence errors, nothing written where something was wrong; whole edits on toy models."""

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from safetensors.torch import save_file

from dataset_builder.build_job import read_build_job
from dataset_builder.build_scenes import SceneJob
from editors import InstructPix2PixEditor, PromptToPromptEditor
from editors.requests.recipe import read_recipe
from evaluation.jobs import EvalJob
from evaluation.scenes.job import ScenesJob
from tests import tiny
from tests.processes import heed_ctrl_c
from ui.cli import main
from ui.server import terminal
from ui.server.outputs import report

ROOT = Path(__file__).parents[2]


@pytest.fixture
def photo(here):
    tiny.photo((61, 83)).save(here / "photo.png")
    return "photo.png"


def written(here):
    return {path.name for path in here.iterdir()} - {"photo.png"}


def test_edit_writes_a_picture_of_the_photos_size_with_its_recipe(here, photo, models, capsys):
    code = main(
        ["edit", photo, "make it night", "--model", str(models["edit"]), "--num-inference-steps", "2"]
    )
    shown = capsys.readouterr()
    assert (code, shown.out) == (0, "photo-edited.png\n")
    picture = PngImageFile(here / "photo-edited.png")
    assert picture.size == (61, 83)
    assert picture.text["parameters"].startswith("make it night\nSteps: 2")


@pytest.mark.parametrize(
    "command", [["edit", "photo.png", "make it night"], ["prompt-edit", "a cat", "a dog"]]
)
def test_scheduler_and_device_are_chosen(here, photo, models, command, monkeypatch):
    kind = "edit" if command[0] == "edit" else "base"
    editors: dict[str, Any] = {"edit": InstructPix2PixEditor, "base": PromptToPromptEditor}
    made, from_pretrained = [], editors[kind].from_pretrained

    def watched(*arguments, **options):
        made.append(from_pretrained(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(editors[kind], "from_pretrained", watched)
    options = ["--num-inference-steps", "1", "--scheduler", "euler", "--device", "cpu"]
    assert main([*command, "--model", str(models[kind]), *options]) == 0
    assert type(made[0].model.scheduler).__name__ == "EulerDiscreteScheduler"
    assert made[0].model.device.type == "cpu"


def test_a_lora_is_laid_over_the_model_and_named_in_the_recipe(here, photo, models, capsys):
    low = {
        f"unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_v.lora_{factor}.weight": one
        for factor, one in zip("AB", (torch.arange(32.0)[None], torch.ones(32, 1)), strict=True)
    }
    save_file(low, here / "ink.safetensors")
    common = ["--num-inference-steps", "2", "--seed", "1"]
    for kind, command in (
        ("edit", ["edit", photo, "make it night"]),
        ("base", ["prompt-edit", "a cat", "a dog"]),
    ):
        asked = [*command, "--model", str(models[kind]), *common]
        assert main([*asked, "--out", "plain.png"]) == 0, capsys.readouterr().err
        assert main([*asked, "--out", "ink.png", "--lora", "ink.safetensors=3"]) == 0, capsys.readouterr().err
        assert read_recipe("ink.png").model.endswith(" + ink=3")
        assert Image.open("ink.png").tobytes() != Image.open("plain.png").tobytes()
        capsys.readouterr()
        for lora, says in (("none.safetensors", "there is no LoRA"), ("ink.safetensors=99", "-10 to 10")):
            assert main([*asked, "--out", "ink.png", "--lora", lora]) == 1
            assert says in capsys.readouterr().err


def test_a_thing_is_selected_as_a_mask_that_an_edit_takes(here, photo, models, capsys):
    asked = ["select", photo, "30", "40", "--model", str(models["base"])]
    assert main(asked) == 0, capsys.readouterr().err
    with Image.open(here / "mask.png") as mask:
        assert mask.size == (61, 83) and mask.getpixel((30, 40)) == 255
    assert main([*asked, "--json"]) == 0  # another name: nothing is overwritten unasked
    assert (here / "mask-2.png").exists()
    edited = ["edit", photo, "make it night", "--model", str(models["edit"]), "--num-inference-steps", "1"]
    assert main([*edited, "--mask", "mask.png"]) == 0
    capsys.readouterr()
    for wrong, says in (
        (["61", "40"], "x: 61.0 is not allowed; give a number from 0 to 60"),
        (["30", "40", "--reach", "0"], "reach: 0.0 is not allowed"),
        (["30", "40", "--out", photo], "the photo itself"),
    ):
        assert main(["select", photo, *wrong, "--model", str(models["base"])]) == 1
        assert says in capsys.readouterr().err


def test_a_photo_is_extended_to_a_shape_or_by_pixels(here, photo, models, capsys):
    asked = ["outpaint", photo, "--model", str(models["base"]), "--num-inference-steps", "2"]
    assert main([*asked, "--shape", "1:1", "--seed", "3"]) == 0, capsys.readouterr().err
    with Image.open(photo) as small, Image.open(here / "photo-extended.png") as large:
        assert large.size == (83, 83) and large.crop((11, 0, 72, 83)).tobytes() == small.tobytes()
    again = [*asked, "--left", "11", "--right", "11", "--seed", "3", "--json"]
    capsys.readouterr()
    assert main(again) == 0  # another name: nothing is overwritten unasked
    told = json.loads(capsys.readouterr().out)
    assert told["edit"]["original_image"] == photo and told["edit"]["left"] == 11
    assert Image.open("photo-extended-2.png").tobytes() == Image.open("photo-extended.png").tobytes()
    capsys.readouterr()
    for wrong, says in (
        ([], "Nothing is to be added"),
        (["--shape", "0:3"], "no shape"),
        (["--shape", "wide"], "no shape"),
        (["--shape", "nan"], "no shape"),
        (["--shape", "61:83"], "has that shape already, 61×83"),
        (["--shape", "1:1", "--left", "3"], "leave --left"),
        (["--right", "62"], "right: 62 is not allowed, 0 to 61"),
        (["--right", "4", "--out", photo], "the photo itself"),
        (["--right", "4", "--num-resamples", "99"], "num_resamples: 99"),
    ):
        assert main([*asked, *wrong]) == 1
        assert says in capsys.readouterr().err


def test_edit_again_overwrites_nothing_unasked(here, photo, models):
    arguments = ["edit", photo, "make it night", "--model", str(models["edit"]), "--num-inference-steps", "1"]
    assert [main(arguments), main(arguments)] == [0, 0]
    assert written(here) == {"photo-edited.png", "photo-edited-2.png"}


def test_json_is_one_object_that_makes_the_same_picture_again(here, photo, models, capsys):
    common = ["--model", str(models["edit"]), "--num-inference-steps", "2", "--json"]
    assert main(["edit", photo, "make it night", "--out", "one.png", *common]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["edited_image"] == "one.png"
    assert (
        main(["edit", photo, "make it night", "--out", "two.png", "--seed", str(first["seed"]), *common]) == 0
    )
    with Image.open("one.png") as one, Image.open("two.png") as two:
        assert one.tobytes() == two.tobytes()


def test_prompt_edit_writes_both_pictures(here, models, capsys):
    words = ["a cat in the snow", "a dog in the snow", "--weight", "snow=1.5", "--blend-edited", "dog"]
    steps = ["--num-inference-steps", "2", "--cross-replace-steps", "snow=0.2:0.8,default=1.0"]
    code = main(["prompt-edit", *words, *steps, "--out", "dog.png", "--model", str(models["base"])])
    assert code == 0, capsys.readouterr().err
    assert written(here) == {"dog.png", "dog-original.png"}


def test_prompt_edit_takes_a_photo_and_shows_where_words_are_looked_at(here, photo, models, capsys):
    words = ["a cat in the snow", "a dog in the snow", "--photo", photo, "--inversion", "negative_prompt"]
    more = [
        "--num-inference-steps",
        "2",
        "--attention",
        "words.png",
        "--trajectories",
        "found",
        "--json",
        "--model",
        str(models["base"]),
    ]
    assert main(["prompt-edit", *words, *more, "--out", "dog.png"]) == 0, capsys.readouterr().err
    told = json.loads(capsys.readouterr().out)
    assert written(here) == {"dog.png", "words.png", "found"} and told["attention"] == "words.png"
    assert told["reconstruction_psnr"] > 0 and told["edit"]["inversion"] == "negative_prompt"
    with Image.open("dog.png") as edited, Image.open(photo) as original:
        assert edited.size == original.size


FAMILY = ("--autoencoder", "nowhere", "--base", "nowhere", "--edit", "nowhere", "--out", "family")


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["edit", "missing.png", "make it night"], "missing.png"),
        (["edit", "photo.png", " "], "edit_prompt"),
        (["edit", "photo.png", "x" * 2000], "edit_prompt"),
        (["edit", "photo.png", "night", "--guidance-scale", "nan"], "guidance_scale"),
        (["edit", "photo.png", "night", "--image-guidance-scale", "-1"], "image_guidance_scale"),
        (["edit", "photo.png", "night", "--guidance-scale", "inf"], "guidance_scale"),
        (["edit", "photo.png", "night", "--num-inference-steps", "0"], "num_inference_steps"),
        (["edit", "photo.png", "night", "--num-inference-steps", "2.5"], "num_inference_steps"),
        (["edit", "photo.png", "night", "--seed", "4294967296"], "seed"),
        (["edit", "photo.png", "night", "--out", "night.jpg"], "--out"),
        (["edit", "photo.png", "night", "--out", "nowhere/night.png"], "--out"),
        (["edit", "photo.png", "night", "--model", "nowhere/model"], "nowhere/model"),
        (["edit", "photo.png", "night", "--scheduler", "magic"], "scheduler"),
        (["edit", "photo.png", "night", "--device", "abacus"], "device"),
        (["prompt-edit", "a cat", "a dog", "--scheduler", "magic"], "scheduler"),
        (["prompt-edit", "a cat", "a dog", "--device", "abacus"], "device"),
        (["prompt-edit", "a cat", "a dog", "--weight", "snow"], "snow=1.5"),
        (["prompt-edit", "a cat", "a dog", "--weight", "dog=much"], "--weight"),
        (["prompt-edit", "a cat", "a dog", "--self-replace-steps", "0.8:0.2"], "self_replace_steps"),
        (["prompt-edit", "a cat", "a dog", "--inversion", "ddim"], "original_image"),
        (["prompt-edit", " ", "a dog", "--photo", "photo.png"], "original_prompt"),
        (["data", "scenes"], "--out"),
        (["data", "scenes", "--num", "0", "--out", "scenes"], "num"),
        (["data", "verify", "nowhere"], "nowhere"),
        (["train", "autoencoder", "data"], "--out"),
        (["train", "instruct-pix2pix", "--resume", "nowhere"], "nowhere"),
        (["train", "pack", *FAMILY, "--recommended", "3"], "recommended"),
        (["train", "pack", *FAMILY, "--recommended", "{"], "--recommended"),
        (["train", "pack", *FAMILY], "nowhere"),
        (["train", "autoencoder", "--steps", "9", "--resume", "run"], "--steps"),
        (["train", "autoencoder", "data", "--out", "run", "--batch-size", "0"], "batch_size"),
        (["eval", "pairs", "--out", "figures", "--num", "0"], "num"),
    ],
)
def test_a_mistake_is_one_sentence_and_writes_nothing(here, photo, models, capsys, arguments, named):
    if "--model" not in arguments and arguments[0] == "edit":
        arguments = [*arguments, "--model", str(models["edit"])]
    assert main(arguments) == 1
    shown = capsys.readouterr()
    (line,) = shown.err.splitlines()
    assert line.startswith("wordbrush: ") and line.endswith(".") and named in line
    assert (shown.out, written(here)) == ("", set())


def test_an_unknown_word_is_named_beside_those_there_are(here, models, capsys):
    code = main(["prompt-edit", "a cat", "a dog", "--weight", "snow=2", "--model", str(models["base"])])
    shown = capsys.readouterr().err
    assert (code, written(here)) == (1, set())
    assert "snow" in shown and "dog" in shown


QUICK = ["--num-inference-steps", "1"]


def test_home_is_meant_in_every_command_and_file(here, photo, models, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(here / "home"))
    monkeypatch.setenv("USERPROFILE", str(here / "home"))
    (here / "home").mkdir()
    tiny.photo((61, 83)).save(here / "home" / "photo.png")
    edit = ["edit", "~/photo.png", "make it night", "--model", str(models["edit"]), *QUICK]
    assert main([*edit, "--out=~/edited.png"]) == 0, capsys.readouterr().err
    (here / "home" / "base").symlink_to(models["base"])
    pair = ["prompt-edit", "a cat", "a dog", "--model=~/base", *QUICK]
    assert main([*pair, "--out=~/dog.png", "--attention=~/words.png"]) == 0, capsys.readouterr().err
    assert main(["data", "verify", "~/nothing"]) == 1
    assert "home/nothing" in capsys.readouterr().err
    assert main(["train", "autoencoder", "~/nothing", "--out=~/run"]) == 1
    assert "home/nothing" in capsys.readouterr().err
    for kind in (SceneJob, EvalJob, ScenesJob):
        assert kind(out=Path("~/x")).out == here / "home" / "x"
    (here / "job.toml").write_text('out = "~/job"\n[write]\nnum = 1')
    assert read_build_job(here / "job.toml").write.out.parent == here / "home" / "job"
    assert not (here / "~").exists()
    made = {"edited.png", "dog.png", "dog-original.png", "words.png"}
    assert made <= {path.name for path in (here / "home").iterdir()}


def test_a_second_picture_takes_nobodys_place(here, models, capsys):
    tiny.photo().save(here / "dog-original.png")
    before = (here / "dog-original.png").read_bytes()
    (here / "cow-original.png").mkdir()
    for name in ("dog", "cow"):
        pair = ["prompt-edit", "a cat", "a dog", "--model", str(models["base"]), *QUICK]
        assert main([*pair, "--out", f"{name}.png"]) == 0, capsys.readouterr().err
    assert (here / "dog-original.png").read_bytes() == before
    assert {"dog-original-2.png", "cow-original-2.png"} <= written(here)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["prompt-edit", "a cat", "a dog", "--out", "o.png", "--attention", "o.png"],
            "--attention: .* --out",
        ),
        (
            ["prompt-edit", "a cat", "a dog", "--out", "o.png", "--attention", "o-original.png"],
            "--attention: .* the original picture",
        ),
        (["edit", "photo.png", "make it night", "--out", "photo.png"], "--out: .* the photo itself"),
        (["edit", "photo.png", "make it night", "--out", "./nowhere/../photo.png"], "--out"),
        (["edit", "~/photo.png", "make it night", "--out", "photo.png"], "--out: .* the photo itself"),
        (
            ["rewrite", "night", "--rewriter", "127.0.0.1", "--rewriter-model", "m"],
            "--rewriter: .* an address",
        ),
        (["rewrite", "night", "--rewriter", "http://127.0.0.1:9/v1"], "--rewriter-model: name"),
        (["rewrite", "night"], "--rewriter: give"),
        (["prompt-edit", "a cat", "a dog", "--photo", "photo.png", "--out", "photo.png"], "the photo itself"),
        (["data", "stats", ".", "--report", "o.png", "--grid", "o.png"], "--grid: .* --report"),
        (["data", "calibrate", ".", "--out", "nowhere/limits.json"], "no folder 'nowhere'"),
        (["data", "calibrate", ".", "--out", "limits.txt"], "does not end in .json"),
    ],
)
def test_a_place_that_would_cost_another_file_is_refused_before_the_work(
    here, photo, capsys, monkeypatch, arguments, says
):
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("USERPROFILE", str(here))
    before = (here / photo).read_bytes()
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert re.search(says, said), said
    assert (here / photo).read_bytes() == before and written(here) == set()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_photo_comes_through_standard_input(here, photo, models, monkeypatch, capsys):
    os.mkfifo(here / "stdin")
    monkeypatch.setattr("ui.commands.editing._STANDARD_INPUT", here / "stdin")
    content = (here / photo).read_bytes()
    writer = threading.Thread(target=(here / "stdin").write_bytes, args=(content,))
    writer.start()
    assert main(["edit", "-", "make it night", "--model", str(models["edit"]), *QUICK]) == 0
    writer.join()
    assert capsys.readouterr().out == "stdin-edited.png\n"
    writer = threading.Thread(target=(here / "stdin").write_bytes, args=(content,))
    writer.start()  # it can be read once
    assert main(["outpaint", "-", "--shape", "1:1", "--model", str(models["base"]), *QUICK]) == 0
    writer.join()
    assert capsys.readouterr().out == "stdin-extended.png\n"
    monkeypatch.setattr("ui.commands.editing._STANDARD_INPUT", here / "none")
    assert main(["edit", "-", "make it night"]) == 1
    assert "standard input" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932", "latin-1", "utf-8"])
@pytest.mark.parametrize("name", ["写真", "café", os.fsdecode(b"caf\xe9"), "\U0001f319"])
def test_a_name_that_the_terminal_cannot_spell_ends_nothing(monkeypatch, encoding, name):
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    terminal.spell_everything()
    facts = {"edit": name}
    report({"edited_image": Path(f"{name}.png")}, facts, as_json=True, summary="")
    report({"edited_image": Path(f"{name}.png")}, facts, as_json=False, summary=name)
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    line, path = out.buffer.getvalue().splitlines()
    assert json.loads(line.decode(encoding)) == {"edited_image": f"{name}.png", "edit": name}
    if encoding == "utf-8":
        assert path == os.fsencode(f"{name}.png")  # the very bytes: another program finds the file
    if encoding != "utf-8" or not name.isprintable():
        assert line.isascii()


def test_left_out_frames_and_unknown_words_are_said_with_the_result(here, models, capsys):
    frames = [tiny.photo((61, 83), seed=n) for n in range(3)]
    frames[0].save(here / "photo.gif", save_all=True, append_images=frames[1:])
    assert main(["edit", "photo.gif", "make it night", "--model", str(models["edit"]), *QUICK]) == 0
    assert "the first is edited" in capsys.readouterr().err
    assert main(["edit", "photo.gif", "make it 夜", "--out", "o.png", *QUICK, "--json"]) == 0
    first, second, *_ = json.loads(capsys.readouterr().out)["notes"]
    assert "the first is edited" in first and "“夜”" in second


@pytest.mark.parametrize(
    "arguments", [["edit"], ["edit", "a", "b", "--full-size", "x"], ["unknown"], ["ui", "--port", "0"]]
)
def test_wrong_usage_is_2(arguments):
    assert main(arguments) == 2


@pytest.mark.parametrize(("asked", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_without_spinning_unless_the_user_says_otherwise(asked, found):
    code = "import os, sys; from ui.cli import main; main(['--help']); "
    code += "assert 'torch' not in sys.modules; print(os.environ['OMP_WAIT_POLICY'], file=sys.stderr)"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_WAIT_POLICY": asked} if asked else {}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr.split()[-1] == found


LINGERING = """
import sys, time
from editors import InstructPix2PixEditor as Editor
from ui.cli import main

stream = Editor.stream

def lingering(self, edit):
    for step in stream(self, edit):
        print("editing", file=sys.stderr, flush=True)
        time.sleep(120)
        yield step

Editor.stream = lingering
sys.exit(main(sys.argv[1:]))
"""
"""The command, in the middle of an edit for as long as nobody ends it."""


def test_ctrl_c_is_130_and_writes_nothing(here, photo, models):
    edit = ["edit", str(here / photo), "make it night", "--out", str(here / "o.png")]
    process = subprocess.Popen(
        [sys.executable, "-c", LINGERING, *edit, "--model", str(models["edit"])],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
    )
    assert process.stderr is not None
    assert "editing\n" in iter(process.stderr.readline, "")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=100)
    # 130 either way in a shell: Python also dies of the signal itself where it once passed through an `exec`.
    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in said
    assert written(here) == set()


def test_names_of_odd_bytes_and_of_any_length_are_taken_and_kept(here, models, capsys):
    photo, mask = os.fsdecode(b"caf\xe9.png"), os.fsdecode(b"masqu\xe9.png")
    tiny.photo((61, 83)).save(here / photo)
    Image.new("L", (61, 83), 255).save(here / mask)
    asked = ["--model", str(models["edit"]), "--num-inference-steps", "1", "--seed", "7"]
    assert main(["edit", photo, "make it night", "--mask", mask, "--json", *asked]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["edit"]["mask"] == mask
    made = here / os.fsdecode(b"caf\xe9-edited.png")
    held = json.loads(read_recipe(made).edit)
    assert held["mask"] == mask
    long = "a" * 246 + ".png"
    (here / photo).rename(here / long)
    assert main(["edit", long, "make it night", *asked]) == 0
    assert main(["edit", long, "make it night", *asked]) == 0
    assert len([name for name in written(here) if name.startswith("aaa")]) == 3
    assert main(["edit", long, "night", *asked, "--out", "b" * 300 + ".png"]) == 1
    assert "wordbrush:" in capsys.readouterr().err.splitlines()[-1]


def test_what_the_system_refuses_is_one_sentence(here, monkeypatch, capsys):
    def refuse(*_, **__):
        raise OSError(errno.EIO, "Input/output error", "disk.png")

    monkeypatch.setattr("ui.commands.edit.png_place", refuse)
    assert main(["edit", "photo.png", "make it night"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wordbrush: disk.png: the system refuses (Input/output error);")
