"""The entry point for the conformance suite of TUF clients, and a small suite of our own that drives it."""
