"""Screens over one read model; they know nothing of how it is filled."""
