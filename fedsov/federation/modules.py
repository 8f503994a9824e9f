"""What each kind of warm process imports before it forks."""

TO_READ = (
    "fedsov.federation.region_worker",
    "fedsov.federation.ingestion",
    "pyarrow.parquet",
    "pyarrow.compute",
    "flwr.clientapp",
)
TO_TRAIN = ("torch", "torch.nn.functional", *TO_READ)
TO_REGISTER = ("fedsov.registry.tracking", "fedsov.federation.registrar")
