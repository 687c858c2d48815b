"""The REST transport of mlcore."""
