"""The messages of the .proto files, as scripts/protos writes them with betterproto2. They need the extra `grpc`."""
