"""`neurohw`, also as `python -m neurohw`: ready for Ctrl-C before anything is imported that takes time.

Nothing is imported from the folder where one stands. What Python itself imports before this file is Python's own
affair: `python -P -m neurohw` keeps that safe, too.
"""

import _signal  # type: ignore[import-not-found]  # built in; `signal` could be a file of that folder
import os
import sys

import neurohw
from neurohw.interrupted import leave


def main() -> None:
    """Run the command line; interrupted before it has begun, or at its very end, it says so in one line."""
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        if _signal.getsignal(number) != _signal.SIG_IGN:  # as under nohup
            _signal.signal(number, leave)
    from neurohw.cli.app import main as command_line

    command_line()


if __name__ == "__main__":
    if not sys.flags.safe_path:
        here = sys.path.pop(0)
        if here == os.path.dirname(neurohw.__path__[0]) and here not in sys.path:  # noqa: PTH120  pathlib is not loaded
            sys.path.append(here)  # a source tree that is not installed: after everything else
    main()
