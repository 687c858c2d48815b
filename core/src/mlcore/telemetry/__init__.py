"""What one sees of a server: what it measures, its traces and its log lines, and where they are sent."""
