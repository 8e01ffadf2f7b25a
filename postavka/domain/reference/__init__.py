"""Reference data: partners, distributors, base deliveries, products registrations; in versions (L1, L3, L5-L9).

Stages read it when they gather facts and write what they used into the event. A file is loaded as a whole
(`file.py`); PostgreSQL keeps every version of it (`store.py`).
"""
