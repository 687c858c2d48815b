"""The metrics transport of mlcore."""
