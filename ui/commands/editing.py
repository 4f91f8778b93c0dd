"""What the two editing commands share: options, where a picture comes from, and how a result is written."""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from editors import EditResult
from editors.model.dtypes import AUTO, DTYPE_NAMES
from editors.model.residence import MemoryUse
from editors.model.schedulers import SCHEDULERS
from editors.requests import rules
from ui.errors import InvalidOption, UnusablePlace
from ui.server.outputs import report

if TYPE_CHECKING:
    from editors.model.loading.needs import Needs

_STANDARD_INPUT = Path("/dev/stdin")

Model = Annotated[str, typer.Option("--model", help="pocket, a folder, a single file, or a Hub id.")]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", help=f"{', '.join(SCHEDULERS)}; if not given, the model's own."),
]
Device = Annotated[
    str | None, typer.Option("--device", help="cpu, cuda, cuda:1 or mps; if not given, the best there is.")
]
Dtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        help=f"{AUTO} measures which is fastest here, once; {', '.join(DTYPE_NAMES)}; if not given, float32 "
        "on a CPU and half precision elsewhere.",
    ),
]
Memory = Annotated[
    MemoryUse,
    typer.Option(
        "--memory",
        help="full: all parts of a large model lie on the graphics card. offload: each waits in main memory "
        "until it is called, for cards that are too small. int8: all lie there, their matrices in eight "
        "bits, a little off. auto: the first of these that fits.",
    ),
]
Loras = Annotated[
    list[str] | None,
    typer.Option(
        "--lora", metavar="FILE[=SCALE]", help="LoRA to lay over the model, how strongly; may be given again."
    ),
]
Mask = Annotated[
    Path | None, typer.Option("--mask", help="White where the picture may change, black where it must stay.")
]
References = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="PHOTO",
        help="A further picture that the instruction is about, “picture 2”, for models that take some; may "
        "be given again.",
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(help="Of many edits, how many go through the network together; if not given, four."),
]


def tell_needs(
    model: str, *, device: str | None = None, dtype: str | None = None, memory: MemoryUse = "auto"
) -> "Needs | None":
    """Say what a model needs before it is fetched or loaded, where that is worth saying, and return it."""
    if model == "pocket":
        return None
    from editors.model.loading.needs import needs_of  # torch: only now

    needs = needs_of(model, device=device, dtype=dtype)
    if needs is not None and (told := needs.said_of(memory)):
        typer.echo(told, err=True)
    return needs


def tell_needs_of_job(models: Iterable[str | None], *, device: str | None = None) -> None:
    """Say what the models of a job need, which may load none of them where it has been done already.

    What cannot be loaded is said where it is loaded.
    """
    from editors.errors import EditorError

    for model in dict.fromkeys(filter(None, models)):
        with suppress(EditorError):
            tell_needs(model, device=device)


def standard_input(photo: Path) -> Path:
    """Return a path as it is, and for `-` that of standard input.

    Raises:
        InvalidOption: This system has no such path.
    """
    if str(photo) != "-":
        return photo
    if not _STANDARD_INPUT.exists():
        raise InvalidOption("PHOTO: - is standard input, which has no path on this system; give a file.")
    return _STANDARD_INPUT


def require_kept(photo: Path, place: Path) -> None:
    """Require that a result does not take the place of the photo that it is made from.

    Raises:
        UnusablePlace: It does.
    """
    if place.exists() and photo.exists() and place.samefile(photo):
        raise UnusablePlace(
            f"--out: {str(place)!r} is the photo itself, which would be lost; give another name."
        )


def check_choices(*, scheduler: str | None = None, dtype: str | None = None) -> None:
    """Refuse a scheduler, or a number format, that there is none of, before a model is loaded."""
    if scheduler is not None:
        rules.choice("scheduler", scheduler, tuple(SCHEDULERS))
    if dtype is not None:
        rules.choice("dtype", dtype, (AUTO, *DTYPE_NAMES))


def save(result: EditResult, places: dict[str, Path], *, as_json: bool) -> None:
    """Write the pictures that were asked for and say so."""
    from editors.requests.recipe import save_picture, save_png

    save_png(result, places["edited_image"])
    if "original_image" in places and result.original_image is not None:
        save_picture(result.original_image, places["original_image"])
    if "attention" in places:
        from editors.prompt_to_prompt.heat_maps import sheet

        save_picture(sheet(result.edited_image, result.heat_maps or {}), places["attention"])
    facts = {
        "seed": result.seed,
        "seconds": round(result.seconds, 3),
        "num_unet_rows": result.num_unet_rows,
        "model": result.model,
        "dtype": result.dtype,
        "edit": json.loads(result.edit.to_json()),
    }
    half = "" if result.dtype in ("", "float32") else f", {result.dtype}"
    summary = f"Seed {result.seed}, {result.seconds:.1f} s{half}."
    if result.reconstruction_psnr is not None:
        facts["reconstruction_psnr"] = round(result.reconstruction_psnr, 2)
        summary += f" ORIGINAL redraws the photo to {result.reconstruction_psnr:.1f} dB."
    facts["notes"] = list(result.notes)
    report(places, facts, as_json=as_json, summary="\n".join((summary, *result.notes)))
