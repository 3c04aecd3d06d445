"""The load generator: charge points that ask for authorizations, and the clock on them."""
