"""``python -m bench`` is ``aebench``."""

from bench.cli import main

main()
