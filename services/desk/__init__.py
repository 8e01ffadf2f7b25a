"""A desk that plays the manufacturing department where there is none: it answers every order with a kit.

The real department reads `manufacturing.orders` and writes `manufacturing.kits`; so does this.
"""
