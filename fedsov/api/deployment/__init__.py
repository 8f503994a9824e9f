"""How the parties of a deployment come to trust each other: an authority, invitations, requests, approvals, packages.

`joining` is a region's side, `operators` a further operator's. `trial` makes all of it at once for the parties of one
workspace, on one machine.
"""
