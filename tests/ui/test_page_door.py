"""Who may come to the page: oneself, or who knows the password; a machine may ask whether it is up."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.ui.fakes import NegativeEditor
from ui.app import build_app, serve
from ui.cli import main

ROOT = Path(__file__).parents[2]


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


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
def test_the_page_opens_whatever_proxy_the_shell_has(monkeypatch, address):
    """Nothing listens at the proxy's address: whatever goes there is lost."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, address)
    page = build_app(NegativeEditor(), model="negative")
    url = serve(page, host="127.0.0.1", port=None)
    try:
        assert os.environ["ALL_PROXY"] == address  # models are still fetched through it
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            assert client.get("config").status_code == 200
    finally:
        page.close(verbose=False)


def test_gradio_can_be_imported_under_a_proxy_of_any_kind():
    code = "from ui.proxies import without_proxies\nwith without_proxies():\n    import ui.app"
    environment = {**os.environ, "ALL_PROXY": "socks5://127.0.0.1:9"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)


def test_behind_a_web_servers_path_the_page_asks_for_its_files_there():
    page = build_app(NegativeEditor(), model="negative")
    url = serve(page, host="127.0.0.1", port=None, root_path="/wordbrush")
    try:
        with httpx.Client(base_url=url, timeout=60) as client:
            assert client.get("config").json()["root"].endswith("/wordbrush")
    finally:
        page.close(verbose=False)


@pytest.mark.parametrize("path", ["wordbrush", "/a b", "//", "/a?b", "https://example.org/a"])
def test_a_root_path_that_is_none_is_one_sentence(path, capsys):
    code = main(["ui", "--root-path", path, "--model", "no-such-model/at-all/here"])
    said = capsys.readouterr().err
    assert code == 1
    assert ("--root-path" in said) != (path == "//"), said
