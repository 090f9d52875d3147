"""How autoencoders are measured: profile → cases → child processes → journal → tables, comparisons and verdicts."""

__version__ = "0.1.0"
