"""The hub's side of a deployment: the coordinator around Flower's SuperLink, who may call it, and its jobs."""
