"""The web application: pages and REST API for partners, distributors, operations and auditors (L3-L13, L18, L19).

`assemble` in `application.py` puts it together from sites; `python -m postavka.app.web` serves it. To add a page or a
call:

1. Write a module with a `router` (`fastapi.APIRouter`). Pages take `prefix=""` and end in HTML through
   `page(request, "template.html", …)`; calls of the API lie under `/api/v1` and answer models.
2. Say who may: `principal: Annotated[Principal, allowed(Role.PARTNER)]`. Whoever is not signed in is sent to the
   sign-in page (a call gets 401), and comes back with what was typed. Another role gets 404, the same as where there is
   nothing. For everybody who is signed
   in: `SIGNED_IN`; for visitors too: `ANYBODY`. A route without any of these is refused at start.
3. Read through `async with web(request).database.rows(principal) as rows:`, a transaction in which PostgreSQL itself
   shows the tenant's rows only; `Requests(rows, principal)` reads the cabinet. Never open a connection of your own.
4. Send through `web(request).commands`: it returns when Kafka has the command, or raises `NotSentYet`, which becomes an
   error page that says what to do.
5. Name its router in the `Site` of the service (`site.py`), with entries for the navigation. Templates lie in the
   service's folder `templates` (they extend `base.html`), static files in `static`.
6. Add the route to `tests/web/matrix.py`: a test walks every route with every role and fails on one it doesn't know.

Unsafe methods of signed-in people need the CSRF token: forms carry `{{ csrf() }}`, scripts the header `X-CSRF-Token`.
"""
