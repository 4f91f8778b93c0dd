"""Programs that tests start."""

import signal


def heed_ctrl_c() -> None:
    """Give a child its Ctrl-C back (`preexec_fn`): tests run in a shell's background inherit none."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
