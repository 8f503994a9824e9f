"""The deployment runtime: regions are machines of their own, which call outwards to a coordinator around Flower's.

    coordinator      the hub's process around Flower's SuperLink: parcels, long polls, who may call what
    flower_server    the half of Flower that it stands on        flower_clients   the half that its callers stand on
    region_service   a region's process: takes messages, answers them behind its gate
    runtime          the hub's side of a run (`fedsov.hub.runtime.Runtime`)

Two modules import Flower's non-public parts, `flower_clients` and `flower_server`; a test says when a new version of
Flower changes what they lean on.
"""
