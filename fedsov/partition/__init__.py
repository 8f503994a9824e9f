"""From a mixed source to encrypted regional stores: classify, route, keys, store, ingest.

A region's zone: nothing here imports Flower, MLflow or a network library (contract 3 of docs/decisions).
"""
