"""Showing findings: files, charts and tables."""
