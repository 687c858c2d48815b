"""The `process` engine: models live in workers, each an interpreter of its own."""
