"""An operator joins: the request, its approval, and the home from which jobs are submitted."""
