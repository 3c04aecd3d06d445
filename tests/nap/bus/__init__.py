"""Tests of nap.bus."""
