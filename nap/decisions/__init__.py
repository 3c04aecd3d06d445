"""What the hub decides, as pure functions of a request, facts and the time."""
