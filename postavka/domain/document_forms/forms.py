"""The choice of a document's form, and its bytes in any form there has ever been.

A later form is added beside the others, never in the place of one: bytes that were issued are made again for as long
as a signature on them may come.
"""

from __future__ import annotations

from collections.abc import Callable

from postavka.domain.document_forms import canonical, upd
from postavka.domain.document_forms.content import DocumentContent

FORMS: dict[str, Callable[[DocumentContent], bytes]] = {canonical.FORM: canonical.to_bytes, upd.FORM: upd.seller_title}

PDF = "pdf/1"
"""The rendering for people; made by `services.documents`, not here: it takes a library, and a tenth of a second."""


def form_of(content: DocumentContent) -> str:
    """The form a document is issued in now."""
    return upd.FORM if upd.has_form(content) else canonical.FORM


def make(form: str, content: DocumentContent) -> bytes:
    """The bytes of a document. Raises `ValueError` for a form that is unknown or that the document hasn't."""
    maker = FORMS.get(form)
    if maker is None:
        raise ValueError(f"no documents of the form {form!r} are made by this release")
    return maker(content)
