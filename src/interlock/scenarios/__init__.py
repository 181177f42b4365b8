"""Complaints of users of trading bots as runs against a real exchange and a real engine."""
