"""The systems under test, as processes that are started, seeded and stopped."""
