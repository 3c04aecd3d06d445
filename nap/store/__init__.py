"""What the hub holds: the ports, and the adapters that keep it."""
