"""Links with the hub and with peers, and what is said on them."""
