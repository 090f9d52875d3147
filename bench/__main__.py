"""``python -m bench`` is ``aebench``, in a checkout."""

from bench.launch import pin

pin()

from bench.cli import main  # noqa: E402 - not before `models` is ours

main()
