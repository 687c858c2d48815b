"""What helps users of MLServer to move in: checks, and a command. The names that models import are in `mlserver`."""
