"""Brian2, imported without its side effects; nothing else imports it."""

from __future__ import annotations

import functools
import signal
import sys
from typing import Any
from unittest import mock

from neurohw.isolation import aside


@functools.cache
def brian2_and_code() -> tuple[Any, Any]:
    """Return Brian2 and its NumPy code objects, which need no compiler.

    Importing it would have Ctrl-C end a presentation early instead of the program, uncaught errors reported as its own,
    and fail outside the main thread, where no handler can be installed. And it would evaluate, as Python, what the
    file `brian_preferences` in the folder where one stands says.
    """
    with aside(), mock.patch.object(signal, "signal"), mock.patch.object(sys, "excepthook", sys.excepthook):
        import brian2
        from brian2.codegen.runtime.numpy_rt.numpy_rt import NumpyCodeObject
    return brian2, NumpyCodeObject
