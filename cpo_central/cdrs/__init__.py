"""Charge Detail Records: those that we send, and those that we receive."""
