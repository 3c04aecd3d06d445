"""What a charge point answers to its central system, by profile (OCPP 1.6, section 5)."""
