"""Bytes of the venues to values of the model and back, without a socket."""
