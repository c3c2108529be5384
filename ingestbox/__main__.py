"""`python -m ingestbox`, and where the frozen program begins."""

from ingestbox.cli import main

main()
