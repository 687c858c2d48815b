"""An mlcore runtime for linear models kept as JSON."""
