"""The stylesheets and scripts of the page: each is used, and written as their formatters write them."""

from pathlib import Path

import cssbeautifier
import jsbeautifier
import pytest

import ui
from ui.components.elements import asset

PACKAGE = Path(ui.__file__).parent
ASSETS = sorted((PACKAGE / "components" / "assets").iterdir())


def test_every_asset_is_used_once():
    code = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    assert ASSETS
    for path in ASSETS:
        assert code.count(f'asset("{path.name}")') + code.count(f"asset('{path.name}')") == 1, path.name


@pytest.mark.parametrize("name", [path.name for path in ASSETS if path.suffix in (".css", ".js")])
def test_an_asset_is_as_its_formatter_writes_it(name):
    formatter = cssbeautifier if name.endswith(".css") else jsbeautifier
    options = formatter.default_options()
    options.indent_size, options.end_with_newline = 2, True
    if formatter is jsbeautifier:
        options.brace_style = "collapse,preserve-inline"
    assert formatter.beautify(asset(name), options) == asset(name)
