"""Tests of chargepoint_model.conformance."""
