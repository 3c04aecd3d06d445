"""The National Access Point: the hub."""
