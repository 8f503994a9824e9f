"""The processes of an endpoint: a supervisor of workers, and workers that answer requests over HTTP."""
