"""Options that many commands have, each with its help: a command names the type, and says nothing of it itself."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Json = Annotated[bool, Parameter(help="Print as JSON.")]
JsonArray = Annotated[bool, Parameter(help="Print as one JSON array.")]
Wait = Annotated[bool, Parameter(help="Stay until something has come of it, and say what.")]
