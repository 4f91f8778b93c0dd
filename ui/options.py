"""Dataclasses as command-line options: a flag is a field with dashes, its default and help are the field's.

Law: a command line and a Python call with the same values build the same request. So numbers reach the
dataclass as they were typed (`2.5` steps included) and are judged there, in its words.
"""

import dataclasses
import inspect
import re
import types
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand

from editors.files import user_path

Parser = Callable[[str], Any]


class Command(TyperCommand):
    """A command whose paths mean what their user means: `~` is home in `--out=~/x`, too."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        ctx.params = {name: _expanded(value) for name, value in ctx.params.items()}
        return super().invoke(ctx)


class Commands(typer.Typer):
    """A group of such commands."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """Return a decorator that adds a command."""
        return super().command(name, **{"cls": Command, **options})


def _expanded(value: Any) -> Any:
    if isinstance(value, Path):
        return user_path(value)
    return [_expanded(one) for one in value] if isinstance(value, list) else value


def number(text: str) -> float | int:
    """Return `text` as the whole or decimal number that it is; the dataclass decides which it takes."""
    if not isinstance(text, str):  # typer hands the default through, too
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise typer.BadParameter(f"{text!r} is no number.")


def numbers(text: str) -> tuple[float | int, ...]:
    """Return comma-separated numbers as a tuple: `64,128`."""
    return tuple(number(part) for part in text.split(",")) if isinstance(text, str) else text


def words(text: str) -> tuple[str, ...]:
    """Return comma-separated words as a tuple: `cat,dog`; none for an empty text."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


def field_help(config: type) -> dict[str, str]:
    """Return {field: sentence} from the `Attributes:` sections of a dataclass and its ancestors."""
    texts = [inspect.cleandoc(kind.__doc__ or "") for kind in reversed(config.__mro__)]
    lines = "\n.\n".join(texts).splitlines()  # the line between two texts ends a section
    sentences: dict[str, str] = {}
    inside, name = False, ""
    for line in lines:
        if line == "Attributes:":
            inside = True
        elif line and not line.startswith(" "):
            inside = False
        elif inside and (entry := re.match(r" {2,4}(\w+)(?: \([^)]*\))?: (.*)", line)):
            name, sentences[entry[1]] = entry[1], entry[2].strip()
        elif inside and name and line.strip():
            sentences[name] += " " + line.strip()
    return sentences


def options(
    config: type,
    *,
    leave_out: Collection[str] = (),
    parsers: Mapping[str, Parser] | None = None,
    require: bool = True,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command the fields of `config` as options.

    The command takes them as keyword arguments (`**fields`), ready for `config(**fields)`.

    Args:
        config: A dataclass.
        leave_out: Fields the command states itself, as arguments or in another form.
        parsers: How to read fields whose type is no plain number, text, choice, path or tuple of these.
        require: Whether fields without a default must be given; if not, they arrive as None.
    """
    hints, sentences, parsers = get_type_hints(config), field_help(config), parsers or {}
    added = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(field, require=require),
            annotation=_option(field, hints[field.name], sentences.get(field.name), parsers.get(field.name)),
        )
        for field in dataclasses.fields(config)
        if field.init and field.name not in leave_out
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        kept = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        signature = own.replace(parameters=[*kept, *added])
        command.__signature__ = signature  # type: ignore[attr-defined]  # how inspect lets a function say it
        command.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
        return command

    return decorate


def flags(config: Any, leave_out: Collection[str] = ()) -> list[str]:
    """Return the arguments that `options` reads a dataclass back from: its values that are no defaults."""
    found: list[str] = []
    for field in dataclasses.fields(config):
        value, flag = getattr(config, field.name), f"--{field.name.replace('_', '-')}"
        if field.name in leave_out or value == _default(field, require=False):
            continue
        if isinstance(value, bool):
            found.append(flag if value else f"--no-{flag[2:]}")
        else:
            found += [flag, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    return found


def _default(field: "dataclasses.Field[Any]", *, require: bool) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    if field.default is not dataclasses.MISSING:
        return field.default
    return inspect.Parameter.empty if require else None


def _option(field: "dataclasses.Field[Any]", hint: Any, sentence: str | None, parser: Parser | None) -> Any:
    """Return the annotation typer reads: `Annotated[type, Option("--field-with-dashes", ...)]`."""
    flag = f"--{field.name.replace('_', '-')}"
    plain = _without_none(hint)
    if plain is bool:
        return Annotated[bool, typer.Option(f"{flag}/--no-{flag[2:]}", help=sentence)]
    if parser is None and (plain in (str, Path) or get_origin(plain) is Literal):
        return Annotated[hint, typer.Option(flag, help=sentence)]
    metavar = "<value>" if parser else "<number>"
    if parser is None and get_origin(plain) is tuple:
        of_text = get_args(plain)[0] is str
        parser, metavar = (words, "<word,word>") if of_text else (numbers, "<number,number>")
    if parser is None and plain not in (int, float):
        raise TypeError(f"{flag}: no way to read {hint} from a command line; name one in `parsers`")
    return Annotated[Any, typer.Option(flag, help=sentence, parser=parser or number, metavar=metavar)]


def _without_none(hint: Any) -> Any:
    """Return T for `T | None`, anything else as it is."""
    if get_origin(hint) in (types.UnionType, Union):
        kept = [part for part in get_args(hint) if part is not types.NoneType]
        return kept[0] if len(kept) == 1 else hint
    return hint
