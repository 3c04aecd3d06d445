"""What both ends of every socket share: frames, calls, links, the OCPP 1.6 vocabulary, roaming messages."""
