"""`mlcore infer`: every line of a file of requests to a model, and its answers into another file."""
