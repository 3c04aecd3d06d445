"""Tests of nap.store."""
