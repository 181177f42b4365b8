"""The exchange on localhost: sockets, clock and keys around the exchange of ``sim``."""
