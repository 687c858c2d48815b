"""The Kafka transport of mlcore."""
