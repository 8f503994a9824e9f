"""What people need to run a federation and to answer for it: the record of processing; never a person's row.

Nothing here imports a store, a region's training code, pandas, pyarrow, torch or sdv (an import contract says so).
"""
