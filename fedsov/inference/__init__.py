"""What answers a user's request in a jurisdiction: predictions, tokens, routing, the log of requests, the endpoint.

Everything here is a pure function or an ASGI application. Sockets, servers and processes are in
`fedsov.runtimes.serving`; nothing here imports torch, pandas, mlflow or flwr, nor anything that reaches a network.
"""
