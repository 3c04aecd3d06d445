"""Tests of nap."""
