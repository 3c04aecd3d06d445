"""The REST interface, for the operator's staff and other software."""
