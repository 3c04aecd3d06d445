"""The entry point of `cpo-central`."""

from cpo_central.commands.cli import app


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
