"""The live engine without its sockets: inputs in, rows, requests and facts out, in any time."""
