"""`wordbrush train`: one command per model of the chain; its options are its configuration's fields."""

import json
import sys
from collections.abc import Callable
from dataclasses import MISSING, asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from trainer.config import CONFIGS, TrainConfig, read_config
from trainer.config_base import Mark
from ui.commands.editing import tell_needs_of_job
from ui.errors import InvalidOption
from ui.options import Commands, options
from ui.progress import progress_bar
from ui.server.outputs import Json, report

app = Commands(no_args_is_help=True, add_completion=False)


@app.callback()
def train() -> None:
    """Train a model of the chain, or go on with a run that was cut off."""


def _command(config: type[TrainConfig]) -> Callable[..., None]:
    """Return the command that trains what `config` describes."""

    @options(config, leave_out=("data",), require=False)
    def run(
        data: Annotated[Path | None, typer.Argument(help="Folder of the dataset.", metavar="DATA")] = None,
        resume: Annotated[
            Path | None,
            typer.Option(
                "--resume",
                help="Go on with this run and its settings; DATA and models may have moved.",
            ),
        ] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Try one step, say what all would take, and write nothing.")
        ] = False,
        as_json: Json = False,
        **values: Any,
    ) -> None:
        wanted = _config(config, resume, {"data": data, **values})
        begins_with = [getattr(wanted, field, None) for field in ("base", "init")]
        tell_needs_of_job((one for one in begins_with if isinstance(one, str)), device="cpu")
        (_plan if dry_run else _train)(wanted, as_json=as_json)

    run.__doc__ = (config.__doc__ or "").partition("\n")[0]
    return run


def _config(kind: type[TrainConfig], resume: Path | None, values: dict[str, Any]) -> TrainConfig:
    """Return the configuration asked for: a new one from options, or that of the run to go on with."""
    defaults = {field.name: None if field.default is MISSING else field.default for field in fields(kind)}
    if resume is not None:
        given = {name: value for name, value in values.items() if value != defaults[name]}
        # The folder of the run is what `--resume` names; all else that decides no byte may be another.
        free = kind.marked(*Mark) - {"out"}
        fixed = [f"--{name.replace('_', '-')}" for name in given if name not in free]
        if fixed:
            raise InvalidOption(
                f"--resume takes its settings from the run itself; leave out {', '.join(fixed)}."
            )
        return replace(read_config(resume), **given)
    missing = [
        field.name for field in fields(kind) if field.default is MISSING and values[field.name] is None
    ]
    if missing:
        name = "DATA" if missing[0] == "data" else f"--{missing[0].replace('_', '-')}"
        raise InvalidOption(f"{name} is missing; give it, or go on with an earlier run by --resume RUN.")
    return kind(**values)


def _plan(config: TrainConfig, *, as_json: bool) -> None:
    """Say what a run would take."""
    from trainer.plan import plan

    facts = asdict(plan(config))
    if as_json:
        return report({}, facts, as_json=True, summary="")
    for name, value in facts.items():
        shown = f"{value:.3g}" if isinstance(value, float) else value
        typer.echo(f"{name.replace('_', ' '):16} {shown if shown or shown == 0 else 'none'}")
    return None


def _train(config: TrainConfig, *, as_json: bool) -> None:
    """Train under a progress bar, or with a line per record where stderr is no terminal."""
    import trainer  # torch: only now
    from trainer.runs.folder import finished

    run, done = trainer.train(config), 0
    record = None
    with progress_bar(f"Training {config.task}", config.steps) as advance:
        for record in run:
            note = f"loss {record.loss:.4f}, {record.images_per_second:.0f} images/s"
            advance(record.step - done, note)
            done = record.step
            if not sys.stderr.isatty():
                left = f"{record.seconds_left / 60:.0f} min left"
                typer.echo(f"step {record.step}/{record.steps}, {note}, {left}", err=True)
    if not finished(config.out):
        typer.echo(f"Stopped and saved; go on with --resume {config.out}.", err=True)
        return
    facts = {"steps": config.steps, "loss": record.loss if record else None}
    report({"model": config.out / "model"}, facts, as_json=as_json, summary="")


for task, config in CONFIGS.items():
    app.command(task)(_command(config))


@app.command()
def pack(
    autoencoder: Annotated[Path, typer.Option("--autoencoder", help="A trained autoencoder, or its run.")],
    base: Annotated[Path, typer.Option("--base", help="A base model trained on its latents, or its run.")],
    edit: Annotated[Path, typer.Option("--edit", help="An edit model trained on its latents, or its run.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the family; an older one is replaced.")],
    recommended: Annotated[
        str | None,
        typer.Option(
            "--recommended",
            metavar="<json>",
            help='Settings that suit them, e.g. {"edit": {"guidance_scale": 3}}; if not given, their own.',
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Pack an autoencoder, a base and an edit model into one folder, as pocket is shipped."""
    try:
        settings = None if recommended is None else json.loads(recommended)
    except ValueError:
        raise InvalidOption(
            f'--recommended: {recommended!r} is no JSON; write it like {{"edit": {{"guidance_scale": 3}}}}.'
        ) from None
    from trainer.pack import pack as write  # torch: only now

    facts = write(autoencoder, base, edit, out, settings)
    report({"model": out}, {"recommended": facts["recommended"]}, as_json=as_json, summary="")
