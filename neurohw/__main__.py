"""`python -m neurohw`."""

from neurohw.cli import main

main()
