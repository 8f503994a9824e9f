"""What people see and call at the hub: a FastAPI application of server-rendered pages and of `/api/v1`."""
