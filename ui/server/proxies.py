"""Proxies that a shell has set: for the network, not for a page's own address."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_proxies() -> Iterator[None]:
    """Leave proxies out of it for a while.

    gradio makes its web clients while it is imported, and asks itself whether it is there when it starts:
    errors, where a proxy cannot reach this machine, or is of a kind (SOCKS) that needs a package.
    """
    told = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    for name in told:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(told)
