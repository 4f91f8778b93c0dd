"""Who may come to the page: oneself, or who knows the password; a machine may ask whether it is up."""

import io
import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests import tiny
from tests.ui.fakes import NegativeEditor
from ui.app import build_app, serve
from ui.cli import main
from ui.commands.page import credentials
from ui.errors import InvalidOption

ROOT = Path(__file__).parents[2]
_held = io.BytesIO()
tiny.photo((50, 40)).save(_held, "PNG")
PICTURE = _held.getvalue()


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
    url = serve(page, host="127.0.0.1", port=None, auth=[("ann", "secret")])
    try:
        with httpx.Client(base_url=url, timeout=180) as client:
            assert client.get("health").json() == {"status": "ok"}
            assert client.get("config").status_code == 401
            client.post("login", data={"username": "ann", "password": "secret"})
            assert client.get("config").status_code == 200
    finally:
        page.close(verbose=False)


ACCOUNTS = [("ann", "secret"), ("bob", "other")]


@pytest.fixture(scope="module")
def guarded():
    page = build_app(NegativeEditor(), model="negative")
    yield serve(page, host="127.0.0.1", port=None, auth=ACCOUNTS)
    page.close(verbose=False)


@contextmanager
def account(url, name=None):
    with httpx.Client(base_url=url, timeout=180) as client:
        if name is not None:
            client.post("login", data={"username": name, "password": dict(ACCOUNTS)[name]}).raise_for_status()
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "gradio_api/openapi.json"),
        ("GET", "openapi.json"),
        ("GET", "docs"),
        ("GET", "gradio_api/heartbeat/abc"),
        ("POST", "gradio_api/cancel"),
        ("POST", "gradio_api/reset"),
        ("GET", "gradio_api/info"),
        ("GET", "gradio_api/app_id"),
        ("POST", "gradio_api/upload"),
        ("POST", "gradio_api/call/v2/edit"),
        ("POST", "gradio_api/stream/abc"),
        ("GET", "gradio_api/stream/a/b/c/playlist-file"),
        ("POST", "gradio_api/component_server"),
        ("GET", "monitoring/x"),
        ("POST", "gradio_api/vibe-edit"),
        ("GET", "no-such"),
    ],
)
def test_without_an_account_nothing_is_answered(guarded, method, path):
    with account(guarded) as stranger:
        assert stranger.request(method, path, json={}).status_code == 401


def test_the_login_page_and_its_looks_are_for_all(guarded):
    with account(guarded) as stranger:
        shown = stranger.get("")
        assert shown.status_code == 200
        for asset in re.findall(r'(?:src|href)="\.?/((?:assets|static|theme)[^"]+)"', shown.text)[:6]:
            assert stranger.get(asset).status_code == 200, asset


def test_guesses_are_slowed_and_logged_and_a_right_word_ends_that(guarded, caplog, monkeypatch):
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr("ui.server.guard.sleep", sleep)
    with account(guarded) as stranger:
        for number in range(20):
            wrong = {"username": "ann", "password": f"guess {number}"}
            assert stranger.post("login", data=wrong).status_code == 400
        assert waited[:4] == [0.5, 1, 2, 4] and max(waited) == 60 and len(waited) == 17
        while "20 in a row" not in caplog.text:  # it is written when the answer is on its way
            time.sleep(0.01)
        assert "guess" not in caplog.text and "ann" not in caplog.text
        stranger.post("login", data={"username": "ann", "password": "secret"}).raise_for_status()
        before = len(waited)
        stranger.post("login", data={"username": "ann", "password": "no"})
        assert len(waited) == before, "the count began anew"


def test_what_one_account_brought_another_cannot_read_though_it_knows_the_place(guarded):
    with account(guarded, "ann") as ann, account(guarded, "bob") as bob:
        (place,) = ann.post("gradio_api/upload", files={"files": ("p.png", PICTURE)}).json()
        for form in (f"gradio_api/file={place}", f"gradio_api/file/{place}"):
            assert bob.get(form).status_code == 404
            assert ann.get(form).status_code == 200
        (same,) = bob.post("gradio_api/upload", files={"files": ("p.png", PICTURE)}).json()
        assert same == place and bob.get(f"gradio_api/file={place}").status_code == 200


def test_a_result_is_its_owners_alone(guarded):
    with account(guarded, "ann") as ann, account(guarded, "bob") as bob:
        (place,) = ann.post("gradio_api/upload", files={"files": ("p.png", PICTURE)}).json()
        asked = {"original_image": {"path": place}, "edit_prompt": "make it night", "seed": 7}
        begun = ann.post("gradio_api/call/v2/edit", json=asked).json()["event_id"]
        told = ann.get(f"gradio_api/call/v2/edit/{begun}").text
        result = json.loads(told.split("data: ")[1].splitlines()[0])[0]["path"]
        assert ann.get(f"gradio_api/file={result}").status_code == 200
        assert bob.get(f"gradio_api/file={result}").status_code == 404


def test_accounts_stand_in_the_lines_of_a_file(tmp_path):
    (tmp_path / "auth").write_bytes(b"\xef\xbb\xbfann:secret\r\nbob:a:b\n\n")
    assert credentials(None, tmp_path / "auth") == [("ann", "secret"), ("bob", "a:b")]
    (tmp_path / "auth").write_text("ann:a\nann:b\n")
    with pytest.raises(InvalidOption, match="a name stands there twice"):
        credentials(None, tmp_path / "auth")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
def test_the_page_opens_whatever_proxy_the_shell_has(monkeypatch, address):
    """Nothing listens at the proxy's address: whatever goes there is lost."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, address)
    page = build_app(NegativeEditor(), model="negative")
    url = serve(page, host="127.0.0.1", port=None)
    try:
        assert os.environ["ALL_PROXY"] == address  # models are still fetched through it
        with httpx.Client(base_url=url, timeout=180, trust_env=False) as client:
            assert client.get("config").status_code == 200
    finally:
        page.close(verbose=False)


def test_gradio_can_be_imported_under_a_proxy_of_any_kind():
    code = "from ui.server.proxies import without_proxies\nwith without_proxies():\n    import ui.app"
    environment = {**os.environ, "ALL_PROXY": "socks5://127.0.0.1:9"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)


def test_behind_a_web_servers_path_the_page_asks_for_its_files_there():
    page = build_app(NegativeEditor(), model="negative")
    url = serve(page, host="127.0.0.1", port=None, root_path="/wordbrush")
    try:
        with httpx.Client(base_url=url, timeout=180) as client:
            assert client.get("config").json()["root"].endswith("/wordbrush")
    finally:
        page.close(verbose=False)


@pytest.mark.parametrize("path", ["wordbrush", "/a b", "//", "/a?b", "https://example.org/a"])
def test_a_root_path_that_is_none_is_one_sentence(path, capsys):
    code = main(["ui", "--root-path", path, "--model", "no-such-model/at-all/here"])
    said = capsys.readouterr().err
    assert code == 1
    assert ("--root-path" in said) != (path == "//"), said
