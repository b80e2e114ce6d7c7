"""Commands of the service: each module is one of them, and its `main` takes argv."""
