"""The tab that edits several pictures by several instructions, and gives them back as one file.

Model and settings are those of the Edit tab. Law: a picture that fails is counted by its reason and stops
nothing, and whatever ends a run, what was made until then can be taken along.
"""

import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from editors import EditFailed, EditorError, InstructionEdit
from editors.files import linked, reason_of
from editors.pictures.images import read_picture
from ui.batch.carry_out import reason_of_failure
from ui.batch.names import result_name
from ui.components.form import VALID, plain, verdict
from ui.components.history import History
from ui.components.literal import literal
from ui.components.photos import Photos
from ui.components.screen import QUIET, lay_out_screen
from ui.server.models import Models
from ui.server.outputs import free_name
from ui.server.watch import duration
from ui.tabs.runs import Ending, Runs, Update
from ui.tabs.tab import Frame

BEGIN = "Drop pictures, say what should change, one instruction a line."
NO_PICTURES = "Choose pictures first: drop them here, or click to upload."
MOST = 1000
"""Edits of one run."""
SHARED = ("guidance_scale", "image_guidance_scale", "only", "num_inference_steps", "seed")
"""Fields that are the Edit tab's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """One edit that is wanted.

    Attributes:
        photo: File of the picture.
        words: The instruction.
    """

    photo: Path
    words: str

    @property
    def label(self) -> str:
        """What people call it."""
        return f"{self.photo.name}, “{self.words}”"


def wishes_of(files: Sequence[str], words: str) -> list[Wish]:
    """Return every picture with every instruction, each once."""
    lines = dict.fromkeys(line.strip() for line in words.splitlines() if line.strip())
    return [Wish(photo=Path(file), words=line) for file in files for line in lines]


def check(*values: Any) -> list[dict[str, Any]]:
    """Judge each input alone: the pictures, the instructions, the fields of `SHARED`; states pass."""
    files, words, *shared = values
    wishes = wishes_of(files or [], words or "")
    too_many = f"{len(wishes)} edits are too many, allowed are {MOST} at once; take some away."
    lines = {wish.words for wish in wishes} or {(words or "").strip()}
    judged = [verdict(InstructionEdit, VALID, "edit_prompt", line) for line in lines]
    return [
        gr.validate(bool(files) and len(wishes) <= MOST, too_many if files else NO_PICTURES),
        next((one for one in judged if not one["is_valid"]), gr.validate(True, "")),
        *(
            verdict(InstructionEdit, VALID, name, plain(name, value))
            for name, value in zip(SHARED, shared, strict=False)
        ),
        *(gr.validate(True, "") for _ in shared[len(SHARED) :]),
    ]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ManyPictures:
    """The handlers; their inputs are pictures, instructions, the fields of `SHARED`, then the states.

    Attributes:
        runs: How edits are run.
        packed: State: the folder of what the last run made, or None.
        download: Gives it back as one file.
    """

    runs: Runs[InstructionEdit]
    packed: Any
    download: Any

    def all(self, *values: Any) -> Iterator[Update]:
        """Edit all pictures by all instructions."""
        files, words, *shared = values[: 2 + len(SHARED)]
        model, history, shown = values[2 + len(SHARED) :]
        settings = {name: plain(name, value) for name, value in zip(SHARED, shared, strict=True)}

        def begun(history: History) -> Ending:
            assert history.folder is not None  # opened before the run
            folder = Path(tempfile.mkdtemp(prefix="many-", dir=history.folder))
            yield {self.packed: folder, self.download: gr.DownloadButton(value=None, interactive=False)}
            return (yield from self._run(wishes_of(files, words), settings, model, history, folder))

        yield from self.runs.guarded(begun, history, shown)

    def _run(
        self,
        wishes: Sequence[Wish],
        settings: Mapping[str, Any],
        model: str,
        history: History,
        folder: Path,
    ) -> Ending:
        failed, result, began = Counter[str](), None, time.monotonic()
        for number, wish in enumerate(wishes):
            left = (time.monotonic() - began) / max(1, number) * (len(wishes) - number)
            prefix = f"Edit {number + 1} of {len(wishes)}{f', {duration(left)} left' if number else ''}. "
            yield {self.runs.screen.status: f"{prefix}{literal(wish.label)}"}
            try:
                picture = read_picture("original_image", wish.photo)
                request = InstructionEdit(original_image=picture, edit_prompt=wish.words, **settings)
                result = yield from self.runs.watched(model, request, prefix)
            except EditorError as error:
                failed[reason_of_failure(error)] += 1
                continue
            entry = yield from self.runs.kept(result, history)
            name = result_name(Path(wish.photo.name), wish.words)
            _put_aside(entry.edited, folder, name)
            history = history.with_entry(entry)
            yield self.runs.screen.with_new(history)
        said = "; ".join(f"{number} × {reason}" for reason, number in failed.most_common())
        if result is None:
            raise EditFailed(f"None of {len(wishes)} edits came about: {said}.")
        made = len(wishes) - failed.total()
        return f"{made} of {len(wishes)} edits made." + (f" Failed: {literal(said)}." if said else ""), result

    def pack(self, folder: Path | None, status: str) -> Update:
        """Put what was made into one file; however the run has ended."""
        results = sorted(folder.glob("*.png")) if folder is not None else []
        if folder is None or not results:
            return {self.download: gr.skip()}
        place = folder / "wordbrush.zip"
        try:
            with zipfile.ZipFile(place, "w") as file:  # PNG is packed already
                for result in results:
                    file.write(result, result.name)
        except OSError as error:
            said = f"{status} The ZIP cannot be written ({literal(reason_of(error))}); make room on the disk."
            return {self.runs.screen.status: said}
        label = f"Download all {len(results)} as ZIP"
        return {self.download: gr.DownloadButton(label, value=place, interactive=True)}


def _put_aside(result: Path, folder: Path, name: Path) -> None:
    """Keep a result for the end of the run: the history forgets the oldest."""
    try:
        linked(result, free_name(folder / name))
    except OSError as error:
        raise EditFailed(f"The result cannot be kept ({reason_of(error)}); make room on the disk.") from error


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Many:
    """The tab of many pictures; see `ui.tabs.tab.Tab`.

    Attributes:
        editors: Give what edits, by the name of its model.
    """

    editors: Models
    name: str = "Many"

    def lay_out(self, frame: Frame, tab: gr.Tab) -> None:
        """Lay the form out beside the screen, and wire both."""
        with gr.Row(equal_height=False):
            with gr.Column(min_width=300):
                photos = Photos(label="Your pictures", file_count="multiple", elem_id="many-photos")
                words = gr.Textbox(
                    label="What should change? One instruction a line.",
                    placeholder="make it sunset\nadd snow",
                    lines=3,
                    elem_id="many-words",
                )
                with gr.Row():
                    go = gr.Button("Edit all", variant="primary", min_width=100)
                    stop = gr.Button(
                        "Stop", elem_classes="does-stop", variant="stop", interactive=False, min_width=100
                    )
                gr.Markdown(
                    "Each picture is edited by each instruction; model and settings are the Edit tab's."
                )
                download = gr.DownloadButton("Download all as ZIP", interactive=False)
            with gr.Column(min_width=300):
                screen = lay_out_screen(stop, BEGIN, actions=(), name="many")
        runs = Runs(
            page=frame.page,
            editors=self.editors,
            edit_thread=frame.edit_thread,
            root=frame.results,
            screen=screen,
            check=check,
        )
        many = ManyPictures(runs=runs, packed=gr.State(None), download=download)
        shared = [getattr(frame.panel.form, name) for name in SHARED]
        running = runs.wire(
            many.all,
            go.click(lambda: None, None, None, **QUIET),
            inputs=[photos, words, *shared],
            states=[frame.switch.model, screen.history, screen.shown],
            outputs=[many.packed, download],
            name="page_many",
        )
        running.then(many.pack, [many.packed, screen.status], [download, screen.status], **QUIET)
        runs.wire_ends([go.click], [running])
