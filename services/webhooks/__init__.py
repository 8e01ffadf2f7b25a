"""Webhooks: the events of a tenant's feed, posted to an address of its own, signed by Standard Webhooks.

`addresses.py` says where we connect to, `signing.py` how what is sent proves that it is ours. `webhooks.py` keeps the
webhooks and the log of deliveries for pages and API; `delivery.py` is the worker.
"""
