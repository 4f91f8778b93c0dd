"""The command `wordbrush`: reads arguments, calls the packages below, says their errors in one sentence.

Law: exit code 0 for done, 1 for a mistake that the user can mend or a system that refuses (one line on
stderr, no traceback, nothing written), 2 for wrong usage, 130 for Ctrl-C; anything else is a bug and keeps
its traceback. `--help` loads no torch.
"""

import atexit
import gc
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module

import typer

from dataset_builder.errors import DatasetError
from editors import EditorError
from editors.files import reason_of
from trainer.errors import TrainerError
from ui.commands import edit, outpaint, page, prompt_edit, rewrite, select
from ui.errors import UiError
from ui.options import Commands
from ui.server.own_command import as_called
from ui.server.terminal import spell_everything

USER_ERRORS = (UiError, EditorError, DatasetError, TrainerError)

app = Commands(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Edit pictures by saying what to change; make the data and train the model that does it.",
)
app.command("edit")(edit.edit)
app.command("prompt-edit")(prompt_edit.prompt_edit)
app.command("outpaint")(outpaint.outpaint)
app.command("select")(select.select)
app.command("rewrite")(rewrite.rewrite)
app.command("ui")(page.ui)


def _room(name: str, help_text: str) -> None:
    """Add a group of commands whose module is imported on use: its options live in heavier packages."""

    @app.command(
        name,
        help=help_text,
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def enter(context: typer.Context) -> None:
        group: typer.Typer = import_module(f"ui.commands.{name}").app
        group(args=context.args or ["--help"], prog_name=f"wordbrush {name}")


_room("data", "Write triplets, draw, filter, look through and export pairs; draw scenes; check a dataset.")
_room("train", "Train an editor, a base model or an autoencoder on a dataset.")
_room("eval", "Measure editors and base models, and the judge and the scorer that measure them.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # Threads that wait spin by default, and on a busy machine take the core from those that they wait for.
    # OpenMP reads this when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for library in ("DIFFUSERS", "TRANSFORMERS"):
        # Their advice to programmers is noise beside our one sentence; whoever wants it sets the variable.
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
    if not sys.warnoptions:  # or says -W
        warnings.filterwarnings("ignore", module="diffusers|transformers|huggingface_hub")
    # All that is there goes with the process: to look through it for garbage once more took a second.
    atexit.register(gc.freeze)
    spell_everything()
    try:
        app(args=argv, prog_name="wordbrush")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except USER_ERRORS as error:
        typer.echo(f"wordbrush: {as_called(str(error))}", err=True)
        return 1
    except OSError as error:
        typer.echo(f"wordbrush: {_refusal(error)}", err=True)
        return 1
    except MemoryError:
        typer.echo("wordbrush: the memory is used up; close other programs, or ask for less.", err=True)
        return 1
    return 0


def _refusal(error: OSError) -> str:
    """Say what the system refused, where no package knew more of it: names too long, disks that fail."""
    place = f"{error.filename}: " if error.filename is not None else ""
    return f"{place}the system refuses ({reason_of(error)}); mend that, or name another place."


if __name__ == "__main__":
    sys.exit(main())
