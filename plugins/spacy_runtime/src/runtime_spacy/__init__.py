"""The spaCy runtime of mlcore: serves any spaCy pipeline from a settings file."""
