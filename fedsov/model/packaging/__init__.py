"""A trained model apart from its run: saved, loaded, exported to ONNX, with its signature and its encoder."""
