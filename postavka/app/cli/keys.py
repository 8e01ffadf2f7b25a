"""`postavka keys`: the keys that all machines of an installation must have alike."""

from __future__ import annotations

from cyclopts import App

from postavka.app.installation_keys import fingerprint_here, key_files
from postavka.kernel.console import console, print_json, table
from postavka.kernel.errors import ANSWER_IS_NO, UserError
from postavka.kernel.privacy.installation_keys import KINDS, registered, replace
from postavka.kernel.runtime.connection import connected

keys = App(name="keys", help="The keys that all machines of an installation must have alike.")


@keys.default
def show(*, json: bool = False) -> None:
    """Show where each key lies on this machine, and whether it is the one that the installation works with. Exit status
    1 if one is not.

    Parameters
    ----------
    json
        Print it as JSON. No key is ever printed.
    """
    config = connected()
    known, rows = registered(config), []
    for kind, file in key_files(config).items():
        try:
            ours: str | None = fingerprint_here(kind, file)
        except UserError:
            ours = None
        rows.append((kind, file, ours, known.get(kind.name)))
    if json:
        print_json(
            [
                {"key": kind.name, "file": str(file), "fingerprint": ours, "registered": theirs}
                for kind, file, ours, theirs in rows
            ]
        )
    else:
        shown = table("Keys of this installation", "key", "file", "fingerprint here", "registered")
        for kind, file, ours, theirs in rows:
            shown.add_row(kind.name, str(file), ours or "none", theirs or "not yet")
        console.print(shown)
    if any(theirs is not None and ours != theirs for _, _, ours, theirs in rows):
        raise SystemExit(ANSWER_IS_NO)


@keys.command
def accept(name: str) -> None:
    """Have the installation work with the key that this machine has, in place of the one that is registered: that one
    is lost. What was encrypted with it stays unreadable.

    Parameters
    ----------
    name
        Of the key, as `postavka keys` shows it.
    """
    kind = next((each for each in KINDS if each.name == name), None)
    if kind is None:
        raise UserError(f"there is no key {name!r}: {', '.join(each.name for each in KINDS)}")
    config = connected()
    found = fingerprint_here(kind, key_files(config)[kind])
    replace(config, kind, found)
    console.print(f"{kind.words}: {found} from now on; start the services anew", highlight=False)
