"""Reference reports: kept, answered, handed in and verified."""
