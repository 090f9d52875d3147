"""The collection of reference reports: handing one in, and checking what was handed in."""
