"""``python -m aebench`` is ``aebench``."""

from aebench import main

main()
