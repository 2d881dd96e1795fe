"""What is on disk: runs as lines, the store that appends and reads them, and the environment they record."""
