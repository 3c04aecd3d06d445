"""What a session costs its driver, and what operators owe each other."""
