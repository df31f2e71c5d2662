"""`python -m evald`."""

from evald.cli import main

main()
