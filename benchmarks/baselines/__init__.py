"""What the cascade is compared with: the same chain, built in other ways."""
