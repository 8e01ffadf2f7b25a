"""The mark of a request that was just sent: its page is shown while the cabinet doesn't know it yet.

It is made with the session's own key, so that nobody learns from it whether another's request exists.
"""

from __future__ import annotations

import hashlib
import hmac

from fastapi import Request

from postavka.web.visitor import visitor_of


def sent_mark(request: Request, request_id: str) -> str:
    """The mark in the address of the page after «Отправить»."""
    return hmac.new(visitor_of(request).csrf_key, f"sent {request_id}".encode(), hashlib.sha256).hexdigest()[:32]


def is_just_sent(request: Request, request_id: str) -> bool:
    """Was it sent in this session?"""
    return hmac.compare_digest(request.query_params.get("sent", "").encode(), sent_mark(request, request_id).encode())
