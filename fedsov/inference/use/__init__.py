"""How an endpoint is used, without people: counts, latency, scores, and drift from the rows of training."""
