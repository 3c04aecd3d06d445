"""Drivers and their tokens, and who decides about them."""
