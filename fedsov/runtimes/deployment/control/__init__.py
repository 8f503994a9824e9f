"""The control plane's service at the hub: what regions call over mutual TLS, and the process that serves it."""
