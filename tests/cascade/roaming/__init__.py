"""Tests of the roaming messages."""
