"""The web shell's own pages: signing in and out, one's account, what errors mean."""

from __future__ import annotations

from postavka.web.pages import account, problems
from postavka.web.sign_in import openid_page, page
from postavka.web.site import Site

SITE = Site("postavka.web", (page.router, openid_page.router, account.router, problems.router))
