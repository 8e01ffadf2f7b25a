"""Who is notified of what: e-mail to partners and distributors, and each distributor's own topic (L14, L15).

A projection of all stages' topics. `rules.py` says what is news, and for whom: pure. `texts.py` says it in words. What
is news is written down, way by way (`channels`), in the transaction that moves the marks, and goes out from there.
"""
