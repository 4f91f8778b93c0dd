"""The access check over raw HTTP: other names, other sites' pages and other sites' frames stay outside."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from editors import IncompatibleModel
from tests import tiny
from tests.ui.fakes import NegativeEditor
from ui.app import build_app, serve
from ui.cli import main
from ui.server.access import ANOTHER_SITE, HEADERS, UNKNOWN_HOST, Hosts
from ui.server.addresses import until_told_to_end
from ui.server.late_cancel import LateCancel

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page():
    blocks = build_app(NegativeEditor(), model="negative")
    url = serve(blocks, host="127.0.0.1", port=None, allow_hosts=["edit.example.org"])
    with httpx.Client(base_url=url, timeout=180) as client:
        yield client
    blocks.close(verbose=False)


@pytest.mark.parametrize(
    "path", ["", "config", "health", "gradio_api/info", "gradio_api/upload", "login", "no-such"]
)
@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "10.0.0.7", ""]
)
def test_a_name_that_was_made_to_point_here_opens_nothing(page, path, host):
    for method in ("GET", "POST"):
        answer = page.request(method, path, headers={"Host": host})
        assert (answer.status_code, answer.text) == (400, UNKNOWN_HOST)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:7860", "LOCALHOST", "[::1]:1234", "edit.example.org", "localhost."]
)
def test_the_page_answers_to_its_own_names(page, host):
    assert page.get("config", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
    ],
)
def test_another_sites_page_sends_nothing_here(page, sent):
    files = {"files": ("photo.png", b"x")}
    for path, more in (
        ("gradio_api/queue/join", {"json": {"data": [], "fn_index": 0, "session_hash": "stranger"}}),
        ("gradio_api/upload", {"files": files}),
    ):
        answer = page.post(path, headers=sent, **more)
        assert (answer.status_code, answer.text) == (403, ANOTHER_SITE)
    if sent.get("Sec-Fetch-Mode") != "navigate":
        assert page.get("config", headers=sent).status_code == 403


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},  # a link that a person follows
        {"Host": "edit.example.org", "Origin": "https://edit.example.org"},
    ],
)
def test_the_page_itself_and_programs_are_let_in(page, sent):
    assert page.get("config", headers=sent).status_code == 200


def test_every_answer_says_what_it_may_be_used_for(page):
    for path in ("", "config", "health", "no-such"):
        assert (
            page.get(path).headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
        )
    assert page.get("config", headers={"Host": "evil.example"}).headers["X-Frame-Options"] == "SAMEORIGIN"


def test_a_page_for_all_addresses_answers_to_numbers_which_no_website_can_claim():
    everywhere, here = Hosts.of("0.0.0.0"), Hosts.of("127.0.0.1")
    for address in ("10.0.0.7:7860", "[fe80::1]:7860"):
        assert everywhere.know(address) and not here.know(address)
    assert everywhere.know(socket.gethostname()) and not everywhere.know("evil.example")
    assert Hosts.of("10.0.0.7").know("10.0.0.7:80") and not Hosts.of("10.0.0.7").know("10.0.0.8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--allow-host", "https://edit.example.org/"], "--allow-host"),
        (["--allow-host", ""], "--allow-host"),
        (["--auth-file", "no-such"], "--auth-file"),
        (["--auth", "ann:secret", "--auth-file", "no-such"], "give one of them"),
        (["--host", "203.0.113.7", "--auth", "ann:secret"], "cannot be listened on"),
    ],
)
def test_what_cannot_be_served_is_said_before_a_model_is_loaded(arguments, says, capsys):
    assert main(["ui", "--model", "no-such-model", *arguments]) == 1
    said = capsys.readouterr().err
    assert says in said and "Loading" not in said


def test_a_busy_port_is_noticed_before_a_model_is_loaded(capsys):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        assert main(["ui", "--port", str(busy.getsockname()[1]), "--model", "no-such-model"]) == 1
    said = capsys.readouterr().err
    assert "cannot be listened on" in said and "Loading" not in said


def test_a_password_may_stand_in_a_file(tmp_path, capsys):
    (tmp_path / "auth").write_text("ann\n")
    assert main(["ui", "--auth-file", str(tmp_path / "auth"), "--model", "no-such-model"]) == 1
    assert "--auth-file: is not of the form NAME:PASSWORD" in capsys.readouterr().err


def test_the_page_is_there_under_an_address_of_the_sixth_version():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    blocks = build_app(NegativeEditor(), model="negative")
    url = serve(blocks, host="::1", port=None)
    try:
        assert url.startswith("http://[::1]:")
        assert httpx.get(f"{url}config", timeout=180).status_code == 200
    finally:
        blocks.close(verbose=False)


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM is how POSIX systems end a server")
def test_a_server_that_is_told_to_end_leaves_no_pictures_behind(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop("GRADIO_TEMP_DIR", None)
    command = [sys.executable, "-m", "ui.cli", "ui", "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    found = None
    try:
        for line in server.stderr:
            if found := re.search(r"http://\S+", line):
                break
        assert found
        photo = tmp_path / "photo.png"
        tiny.photo((64, 48)).save(photo)
        with photo.open("rb") as file, httpx.Client(base_url=found[0], timeout=180) as client:
            client.post("gradio_api/upload", files={"files": ("photo.png", file)}).raise_for_status()
        assert list(tmp_path.glob("wordbrush-*"))
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=120)
        assert server.returncode == 0
        assert list(tmp_path.glob("wordbrush-*")) == []
    finally:
        server.kill()
        server.communicate()


@pytest.fixture
def handler():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM is how POSIX systems end a server")
def test_what_tells_a_server_to_end_cannot_get_lost(handler):
    """While a model loads, Python drops what a handler raises in a weak reference's end."""
    for _ in range(2):
        until_told_to_end(lambda: os.kill(os.getpid(), signal.SIGTERM))
        tell = signal.getsignal(signal.SIGTERM)
        assert callable(tell) and tell(signal.SIGTERM, None) is None


def test_work_that_fails_ends_the_server_with_its_reason(handler):
    def load():
        raise IncompatibleModel("It lacks its unet.")

    with pytest.raises(IncompatibleModel, match="lacks its unet"):
        until_told_to_end(load)


def test_what_ended_by_itself_while_it_was_cancelled_is_cancelled():
    async def gone(scope, receive, send):
        raise KeyError("event")

    for path, status in (("/gradio_api/cancel", 200), ("/elsewhere", 500)):
        client = TestClient(LateCancel(gone), raise_server_exceptions=False)
        assert client.post(path).status_code == status


def test_a_tab_that_is_closed_while_it_uploads_is_no_error_in_the_log():
    async def left(scope, receive, send):
        raise ClientDisconnect

    asyncio.run(LateCancel(left)({"type": "http", "path": "/gradio_api/upload"}, unheard, unheard))


async def unheard(*_):
    raise AssertionError("nobody is there to be answered")
