"""The experiments: each takes a plan and returns its findings."""
