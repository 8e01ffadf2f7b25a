"""The channel of e-mail: what is written to whom, kept encrypted, sent until a server has taken it."""
