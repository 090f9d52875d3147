"""Reports of measured rows: the only folder that imports pandas."""
