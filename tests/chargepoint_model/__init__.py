"""Tests of the charge point model."""
