"""The bodies of requests: JSON, Arrow, float32 and the Open Inference Protocol, read into a model's inputs."""
