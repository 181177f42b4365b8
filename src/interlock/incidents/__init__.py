"""Incidents: a window of a live or paper run in one file, and what it decides when replayed."""
