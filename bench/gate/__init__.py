"""`aebench regress` and `aebench check`."""
