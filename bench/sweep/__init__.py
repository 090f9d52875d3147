"""`aebench run`."""
