"""`wordbrush rewrite`: a wish in any words becomes an instruction as a model was taught it."""

from typing import TYPE_CHECKING, Annotated

import typer

from dataset_builder.errors import InvalidJob
from editors.model.loading.checkpoints import POCKET, read_advice
from editors.model.loading.kinds import find_model
from ui.commands.editing import Model
from ui.errors import InvalidOption

if TYPE_CHECKING:
    from dataset_builder.write.rewrite import Rewriter

Address = Annotated[
    str | None,
    typer.Option(
        "--rewriter",
        metavar="URL",
        help="Server of a language model that rewrites wishes, of any kind that speaks OpenAI's API; its "
        "address usually ends in /v1.",
        envvar="WORDBRUSH_REWRITER",
    ),
]
LanguageModel = Annotated[str, typer.Option("--rewriter-model", help="Name of its language model.")]
KeyVariable = Annotated[
    str, typer.Option(help="Environment variable that holds its key; empty for a server without keys.")
]


def rewriter_of(address: str | None, model: str, key_variable: str) -> "Rewriter | None":
    """Return what rewrites, or None where nobody asks for it.

    Raises:
        InvalidOption: The model is missing, or the address is none.
    """
    if address is None:
        return None
    if not model.strip():
        raise InvalidOption("--rewriter-model: name the language model that the rewriter is to use.")
    from dataset_builder.write.rewrite import Rewriter  # numpy: not for --help

    try:
        return Rewriter(base_url=address, model=model, key_variable=key_variable)
    except InvalidJob as error:
        raise InvalidOption(f"--rewriter: {str(error).removeprefix('base_url: ')}") from None


def rewrite(
    wish: Annotated[str, typer.Argument(metavar="WISH", help='"mache es zur Nacht"')],
    rewriter: Address = None,
    rewriter_model: LanguageModel = "",
    key_variable: KeyVariable = "",
    model: Model = "pocket",
) -> None:
    """Say a wish as an instruction that a model was taught; nothing is edited."""
    server = rewriter_of(rewriter, rewriter_model, key_variable)
    if server is None:
        raise InvalidOption("--rewriter: give the address of a server that speaks OpenAI's API.")
    *_, phrases = read_advice(POCKET if model == "pocket" else find_model(model))
    typer.echo(server.rewritten(wish, phrases))
