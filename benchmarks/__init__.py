"""Measuring the cascade: its latency, its limits and its growth, beside what else one could build."""
