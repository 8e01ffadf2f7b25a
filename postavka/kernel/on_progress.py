"""How long work says how far it is: by a function that whoever started it has handed in."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""
OnCount = Callable[[int, int], None]
"""Called with how many are done, and of how many."""
