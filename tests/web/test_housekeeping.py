"""What is kept for so long goes once an hour, whether or not anybody comes."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from postavka.web.database import Database
from postavka.web.housekeeping import sweep
from postavka.web.settings import WebSettings
from services.cabinet.site import SITE
from tests.web.conftest import Site


def test_files_of_requests_and_pictures_go_when_their_days_are_over(site: Site):
    bulk = (
        "INSERT INTO cabinet.bulk (bulk_id, name, partner_id, actor, rows, created_at) VALUES (%s, '', 'lukomor', '', "
    )
    picture = "INSERT INTO cabinet.previews (pdf_sha256, picture, made_at) VALUES (%s, '', "
    kept, gone = ((uuid4(), uuid4().hex) for _ in range(2))
    for (bulk_id, sha256), days in ((kept, (29, 89)), (gone, (31, 91))):
        site.sql(bulk + "'[]', now() - make_interval(days => %s))", bulk_id, days[0])
        site.sql(picture + "now() - make_interval(days => %s))", sha256, days[1])

    async def once() -> None:
        database = Database(site.database, 1)
        await database.open()
        try:
            await sweep(database, WebSettings(_env_file=None).lifetimes, [SITE])
        finally:
            await database.close()

    asyncio.run(once())
    bulks = site.sql("SELECT bulk_id FROM cabinet.bulk WHERE bulk_id IN (%s, %s)", kept[0], gone[0])
    pictures = site.sql("SELECT pdf_sha256 FROM cabinet.previews WHERE pdf_sha256 IN (%s, %s)", kept[1], gone[1])
    assert (bulks, pictures) == ([(kept[0],)], [(kept[1],)])
