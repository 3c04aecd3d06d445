"""The command line `cpo-central`."""
