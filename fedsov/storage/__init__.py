"""Where bytes rest: the paths of a workspace, files that are whole or not there, locks."""
