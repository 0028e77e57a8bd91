"""A loopback server that plays WeChat's side: mini-program and Pay v3 wire formats with real keys.

Money, shipping and messages behave as WeChat documents them; knobs make the network lie as networks do
(duplicates, reordering, delays, losses, errors). It also holds the test clock of the local stack. What proves identity
(signatures, access tokens, login codes) lives in wall time; what business sees lives in the test clock's time.
"""
