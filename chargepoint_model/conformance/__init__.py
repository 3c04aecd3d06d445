"""The message testing tool: tests a central system, or a charge point, message by message."""
