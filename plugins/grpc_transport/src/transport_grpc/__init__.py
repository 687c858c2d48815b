"""The gRPC transport of mlcore."""
