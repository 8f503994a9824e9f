"""Known attacks on a training, and the verdict over their figures."""
