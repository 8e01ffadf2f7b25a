"""The exact bytes of documents (L14-L16): pure, the same on every machine and in every release.

Shipping issues them and checks signatures over them; `services.documents` makes them again to store, show and send
them.
"""
