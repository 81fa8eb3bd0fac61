"""`python -m gateway` is the same as the command `otomax-gateway`."""

from gateway.cli.main import main

if __name__ == "__main__":
    main()
