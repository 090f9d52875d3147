"""A fleet: the same sweep on many machines, each with a journal of its own; Dask carries requests and rows."""
