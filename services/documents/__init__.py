"""Documents on their way (L14-L16): rendered, kept, sent by exchange or post, and what comes back of them."""
