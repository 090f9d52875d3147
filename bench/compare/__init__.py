"""`aebench compare`."""
