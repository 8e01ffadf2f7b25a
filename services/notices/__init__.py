"""Who is told what: e-mail to partners and distributors, and each distributor's own topic (L14, L15).

A projection of all stages' topics. `story.py` says what is news, and for whom: pure. `recipients.py` finds addresses,
`wording.py` the words. News go into an outbox in the transaction that moves the marks; `sender.py` sends mail from
there, the kernel's relay publishes to the topics.
"""
