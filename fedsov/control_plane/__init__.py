"""The hub's side: it chooses who works, aggregates parameters, and never sees a record.

Nothing here imports a store, a region's training code, pandas, pyarrow or sdv (an import contract says so).
"""
