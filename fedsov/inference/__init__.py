"""What serves a region's models: values, pure functions, ASGI applications; sockets and processes are in runtimes."""
