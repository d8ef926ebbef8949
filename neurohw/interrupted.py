"""How a command ends that is interrupted where nothing can be lost: at once, in one line, with status 130."""

import os


def leave(number: int, frame: object) -> None:
    """Handle a signal: say so and end, whatever is under way (an import cannot be torn and told of)."""
    os.write(2, b"interrupted\n")
    os._exit(130)
