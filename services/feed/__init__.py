"""The events of each partner and distributor as a feed: one numbered sequence a tenant, for programs without Kafka.

A projection of the stages' topics. `views.py` says what of an event a tenant sees; `order.py` in which order the events
of a request are told; `projection.py` numbers them. `reading.py` reads the feed for the API, and for webhooks.
"""
