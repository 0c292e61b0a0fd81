"""`python -m nexq`: the command line."""

from nexq.cli.main import run

if __name__ == "__main__":
    run()
