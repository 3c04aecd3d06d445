"""The roaming paper's five scenarios as data, run over real processes."""
