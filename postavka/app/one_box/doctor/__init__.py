"""`postavka doctor`: is everything there and well? One line a check, and what to do about what is not.

It only looks: no topic, schema or setting is changed. What can't be looked at because something before it is away is
shown as not looked at, not as wrong. Both servers are asked at the same time.
"""
