"""The web shell's own pages: signing in and out, one's account, what errors mean, what is sent later, saved views."""

from __future__ import annotations

from postavka.web import saved_views
from postavka.web.pages import account, problems
from postavka.web.planned import page as planned_page
from postavka.web.planned import prepare
from postavka.web.planned.bar import PlannedBar
from postavka.web.sign_in import openid_page, page
from postavka.web.site import Site

SITE = Site(
    "postavka.web",
    (page.router, openid_page.router, account.router, planned_page.router, problems.router, saved_views.router),
    middleware=(PlannedBar,),
    prepare=prepare,
    ready="SELECT FROM planned.commands WHERE false",
)
