"""Where the zones meet: the composition root, the grid, and the processes that Flower's messages travel between.

Only this package sees both the regions and the hub. `assemble` runs a federation from ingestion to report,
`in_process` is Flower's `Grid` over one long-lived process per region, `region_worker` is what runs inside such a
process, behind that region's own gate.
"""
