"""Who may come to the page: oneself, or who knows the password; a machine may ask whether it is up."""

import httpx
import pytest

from tests.ui.fakes import NegativeEditor
from ui.app import build_app, serve
from ui.cli import main


def test_a_page_for_others_asks_for_a_password_before_it_loads_a_model(capsys):
    assert main(["ui", "--host", "0.0.0.0", "--model", "no-such-model"]) == 1
    said = capsys.readouterr().err
    assert "--auth" in said and "Loading" not in said


@pytest.mark.parametrize("auth", ["ann", "ann:", ":secret"])
def test_a_password_without_its_name_is_one_sentence(auth, capsys):
    assert main(["ui", "--auth", auth]) == 1
    assert "NAME:PASSWORD" in capsys.readouterr().err


def test_health_is_told_to_all_and_the_page_to_those_who_know_the_password():
    page = build_app(NegativeEditor(), model="negative")
    url = serve(page, host="127.0.0.1", port=None, auth=("ann", "secret"))
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            assert client.get("health").json() == {"status": "ok"}
            assert client.get("config").status_code == 401
            client.post("login", data={"username": "ann", "password": "secret"})
            assert client.get("config").status_code == 200
    finally:
        page.close(verbose=False)
