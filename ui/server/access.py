"""The check of who asks: the page's own hosts and pages, whatever a browser was led to send.

A page on this machine can be reached by any website that the same browser has open: by a name that is made to
point here (DNS rebinding), or by a form that is sent here unasked (cross-site request forgery). So every
request names a host that the page knows, and comes from the page itself, from no page at all (the command
line), or is a person's step to it.

References: W3C, "Fetch Metadata Request Headers" (2021), for `Sec-Fetch-Site`; W3C, "Content Security Policy
Level 3". Law: what is refused is refused before anything of the page runs, and nothing is told in the answer.
"""

import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.server.addresses import LOCAL

EVERYWHERE = ("0.0.0.0", "::")
"""Addresses that stand for all of a machine's own."""
UNKNOWN_HOST = "This page does not answer to that name: start it with --allow-host NAME.\n"
ANOTHER_SITE = "This request comes from another site.\n"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})

POLICY = "; ".join(
    (
        "default-src 'self'",
        # gradio's page carries its settings in inline scripts and styles.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
"""Nothing is fetched from elsewhere, and nobody else's page can show this one inside of it."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names that a page answers to.

    Attributes:
        named: Those it was told.
        any_address: Whether addresses in numbers count too: no website can make these its own.
    """

    named: frozenset[str] = field(default=frozenset(LOCAL))
    any_address: bool = False

    @classmethod
    def of(cls, bound: str, allowed: Collection[str] = ()) -> "Hosts":
        """Return the names for an address that is listened on, and what the user adds."""
        everywhere = bound in EVERYWHERE
        own = {socket.gethostname(), socket.getfqdn()} if everywhere else {bound}
        return cls(frozenset(_bare(name) for name in {*LOCAL, *own, *allowed}), any_address=everywhere)

    def know(self, host: str | None) -> bool:
        """Say whether a host, as a request names it, with or without a port, is one of them."""
        name = _name(host)
        return name is not None and (name in self.named or (self.any_address and _is_address(name)))


class AccessCheck:
    """Lets requests through to an application, and tells browsers what its answers may be used for."""

    def __init__(self, app: ASGIApp, *, hosts: Hosts) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = None
        if not self._hosts.know(headers.get("host")):
            refused = PlainTextResponse(UNKNOWN_HOST, 400)
        elif self._is_from_elsewhere(scope["method"], headers):
            refused = PlainTextResponse(ANOTHER_SITE, 403)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answer.setdefault(name, value)
            await send(message)

        await (refused or self._app)(scope, receive, told)

    def _is_from_elsewhere(self, method: str, headers: Headers) -> bool:
        """Say whether another site's page sent this; browsers say it themselves, older ones by the origin."""
        site = headers.get("sec-fetch-site")
        if site is not None:
            steps_here = headers.get("sec-fetch-mode") == "navigate" and method in _READING
            return site not in ("same-origin", "none") and not steps_here
        origin = headers.get("origin")
        if origin is None:  # no browser's page
            return False
        parts = urlsplit(origin)
        own = parts.netloc == headers.get("host") or parts.hostname in self._hosts.named - set(LOCAL)
        return not own


def _name(host: str | None) -> str | None:
    """Return the host without its port, in lower case; None where it is none."""
    if not host or any(mark in host for mark in "/\\@ "):
        return None
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return None
    return None if name is None else _bare(name)


def _bare(name: str) -> str:
    return name.strip("[]").rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
