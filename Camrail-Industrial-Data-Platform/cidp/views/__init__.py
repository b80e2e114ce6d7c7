"""Pages of Camrail Live Monitor: they know the HTTP API and nothing else."""
