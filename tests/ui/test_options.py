"""A command line and a Python call with the same values build the same request."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pytest
import typer

from editors import InstructionEdit, PromptEdit
from trainer.config import CONFIGS
from ui.options import field_help, options


@dataclass(frozen=True, kw_only=True)
class Base:
    """What all share.

    Attributes:
        steps: How many,
            in whole numbers.
    """

    steps: int = 20


@dataclass(frozen=True, kw_only=True)
class Job(Base):
    """A job.

    Attributes:
        out: Where to.
        kind: Which.
    """

    out: Path
    scale: float = 7.5
    kind: Literal["a", "b"] = "a"
    seed: int | None = None
    widths: tuple[int, ...] = (32, 64)
    names: tuple[str, ...] = ()
    fast: bool = False

    def judged(self) -> Any:
        return (self.steps, self.scale, self.seed, self.widths)


def run(*arguments: str) -> Job:
    built = []
    app = typer.Typer(add_completion=False)

    @app.command()
    @options(Job)
    def make(**values: Any) -> None:
        built.append(Job(**values))

    app(args=list(arguments), standalone_mode=False)
    return built[0]


def test_defaults_are_the_dataclasss():
    assert run("--out", "x") == Job(out=Path("x"))


def test_values_arrive_as_typed():
    job = run(
        *("--out", "x", "--steps", "2.5", "--scale", "nan", "--kind", "b", "--seed", "-1"),
        *("--widths", "8,16,24", "--names", "cat, dog", "--fast"),
    )
    assert (job.steps, job.kind, job.seed, job.fast) == (2.5, "b", -1, True)
    assert job.scale != job.scale  # NaN reaches the one who judges it
    assert (job.widths, job.names) == ((8, 16, 24), ("cat", "dog"))


def test_whole_numbers_stay_whole():
    assert type(run("--out", "x", "--steps", "3").steps) is int


@pytest.mark.parametrize("wrong", [["--steps", "many"], ["--kind", "c"], ["--unknown", "1"]])
def test_what_cannot_be_read_is_wrong_usage(wrong):
    with pytest.raises(typer.TyperException) as error:
        run("--out", "x", *wrong)
    assert error.value.exit_code == 2


def test_help_comes_from_the_docstring_and_its_ancestors():
    assert field_help(Job) == {"steps": "How many, in whole numbers.", "out": "Where to.", "kind": "Which."}


def test_a_field_that_cannot_be_read_is_found_when_the_command_is_made():
    @dataclass
    class Odd:
        mapping: dict[str, float]

    with pytest.raises(TypeError, match="--mapping"):
        options(Odd)


@pytest.mark.parametrize("config", [InstructionEdit, PromptEdit, *CONFIGS.values()])
def test_every_field_says_what_it_is(config):
    assert {field.name for field in fields(config)} - set(field_help(config)) == set()
