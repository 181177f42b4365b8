"""The live engine under load: real processes, real sockets, floors in the same run."""
