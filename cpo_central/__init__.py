"""A charge point operator's central system: a server to its chargers, a client of the hub."""
