"""The repository of what regions take from the hub: signed metadata of TUF, so that nobody between can change, hold
back or mix it; approved lists, files of models, proposals of settings.

`repository` opens it, publishes and hands out; `metadata` writes and checks the roles' metadata; `signing_keys` are who
signs; `tables` are what the database holds of it; `provenance` states how a version came about. A region reads it with
`fedsov.runtimes.deployment.region_agent.approved_source`.
"""
