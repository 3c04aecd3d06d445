"""A charge point as a state table run over a link."""
