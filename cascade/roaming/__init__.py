"""The roaming messages that travel in DataTransfer, as models."""
