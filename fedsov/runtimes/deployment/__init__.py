"""The deployment runtime: regions are machines of their own, which call outwards to a coordinator around Flower's.

    runtime, region_links, grid_line    a run at the hub (`fedsov.hub.runtime.Runtime`): errands to regions, answers
    parcels, flower_clients, acts       what travels: a message with its objects in one body, and what it asks for
    hub_connection                      the way to the coordinator
    hub/                                the coordinator around Flower's SuperLink, who may call it, jobs
    region/                             a region's Fleet client, and its own process behind it
    supervision/                        processes of a party: started, watched, ended; health, logs
    preflight/                          what a party needs to run

Two modules import Flower's non-public parts, `flower_clients` and `hub/flower_server`; a test says when a new version
of Flower changes what they lean on.
"""
