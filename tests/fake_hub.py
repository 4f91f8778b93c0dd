"""A Hub on this machine, which huggingface_hub talks to as to the real one."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Repositories, each a folder, and what was asked of them.

    Attributes:
        folders: Of the repositories, by id.
        cards: What their cards say.
        gated: Ids of those that nobody is let in to.
        cut_after: Bytes of a file after which the connection breaks, once; None: it holds.
        withheld: Name of the part whose files are not sent; None: all are.
        listings: How often it was asked what a repository is.
        trees: How often all of a repository's files were asked for.
        address: Where it answers.
        fetched: Bytes that were sent, by file.
    """

    def __init__(self) -> None:
        self.folders: dict[str, Path] = {}
        self.cards: dict[str, dict[str, Any]] = {}
        self.gated: set[str] = set()
        self.cut_after: int | None = None
        self.withheld: str | None = None
        self.listings = self.trees = 0
        self.address = ""
        self.fetched: dict[str, int] = {}

    def files(self, repository: str) -> list[Path]:
        root = self.folders[repository]
        return sorted(path for path in root.rglob("*") if path.is_file())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub: Hub, *args: Any, **named: Any) -> None:
        self.hub = hub
        super().__init__(*args, **named)

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, *, body: bool = True) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        is_api = path.startswith("api/models/")
        owner, name, *rest = path.removeprefix("api/models/").split("/")
        repository = f"{owner}/{name}"
        if repository not in self.hub.folders:
            self._refuse(404, "RepoNotFound")
        elif repository in self.hub.gated and not (is_api and not rest):
            self._refuse(403, "GatedRepo")
        elif rest[:1] == ["revision"] and rest[1] not in ("main", COMMIT):
            self._refuse(404, "RevisionNotFound")
        elif is_api:
            self._tell(self._listing(repository) if "tree" not in rest else self._tree(repository))
        else:
            self._send(repository, "/".join(rest[2:]), body=body)

    def _listing(self, repository: str) -> dict[str, Any]:
        root = self.hub.folders[repository]
        files = self.hub.files(repository)
        self.hub.listings += 1
        return {
            "id": repository,
            "sha": COMMIT,
            "cardData": self.hub.cards.get(repository),
            "gated": repository in self.hub.gated,
            "siblings": [
                {"rfilename": path.relative_to(root).as_posix(), "size": path.stat().st_size}
                for path in files
            ],
        }

    def _tree(self, repository: str) -> list[dict[str, Any]]:
        root = self.hub.folders[repository]
        self.hub.trees += 1
        return [
            {
                "type": "file",
                "path": path.relative_to(root).as_posix(),
                "size": path.stat().st_size,
                "oid": _tag(path),
            }
            for path in self.hub.files(repository)
        ]

    def _send(self, repository: str, file: str, *, body: bool) -> None:
        path = self.hub.folders[repository] / file
        if not path.is_file():
            self._refuse(404, "EntryNotFound")
            return
        if body and self.hub.withheld is not None and file.startswith(self.hub.withheld):
            self._refuse(400, "Broken")
            return
        data = path.read_bytes()
        first, last = 0, len(data) - 1
        if asked := self.headers.get("Range"):
            begin, _, end = asked.removeprefix("bytes=").partition("-")
            first, last = int(begin or 0), min(int(end or last), last)
        part = data[first : last + 1]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{_tag(path)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if not body:
            return
        cut = self.hub.cut_after
        if cut is not None and file.endswith(".safetensors") and len(part) > cut:
            self.hub.cut_after, part = None, part[:cut]
            self.close_connection = True
        self.hub.fetched[file] = self.hub.fetched.get(file, 0) + len(part)
        self.wfile.write(part)
        self.wfile.flush()

    def _tell(self, found: Any) -> None:
        text = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _tag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()


@contextmanager
def serving(patch: pytest.MonkeyPatch, cache: Path) -> Iterator[Hub]:
    """Answer in the place of the real Hub, with nothing fetched yet."""
    from huggingface_hub import constants

    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, hub))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = address = f"http://127.0.0.1:{server.server_port}"
    patch.setattr(constants, "ENDPOINT", address)
    patch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        patch.delenv(name, raising=False)
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
