"""`python -m chargepoint_model`, and the console script `chargepoint`."""

from chargepoint_model.cli import main

if __name__ == "__main__":
    main()
