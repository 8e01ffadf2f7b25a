"""The auditor's side of the log: what happened, how it stood, would it be decided so again, is it all as it was.

Nothing here writes to a topic or to a stage's store.
"""
