"""Tests of nap.decisions."""
