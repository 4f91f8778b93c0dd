"""`wordbrush select`: the thing at a place of a picture, as a mask."""

from pathlib import Path
from typing import Annotated

import typer

from editors.requests.settings import REACH
from ui.commands.editing import Device, Model, require_kept, standard_input, tell_needs
from ui.server.outputs import Json, free_name, png_place, report


def select(
    photo: Annotated[Path, typer.Argument(metavar="PHOTO", help="The picture; - is standard input.")],
    x: Annotated[float, typer.Argument(metavar="X", help="Of the place, from the left, in pixels.")],
    y: Annotated[float, typer.Argument(metavar="Y", help="From the top.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the mask goes; if not given, a free name.")
    ] = None,
    reach: Annotated[
        float, typer.Option(help="How far from there it may reach, 0.05 to 1, of the longer side.")
    ] = REACH,
    model: Model = "pocket",
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Select the thing at a place: its mask is white there, as `edit --mask` takes it."""
    source = standard_input(photo)
    place = png_place(out or free_name(Path("mask.png")))
    require_kept(source, place)
    from PIL import Image

    from editors import PromptToPromptEditor  # torch: only now
    from editors.requests.recipe import save_picture

    needs = tell_needs(model, device=device)
    editor = PromptToPromptEditor.from_pretrained(model, device=device, needs=needs)
    mask = editor.things(source).at(x, y, reach=reach)
    save_picture(Image.fromarray(mask), place)
    share = float((mask > 0).mean())
    report({"mask": place}, {"share": share}, as_json=as_json, summary=f"{share:.1%} of the picture")
