"""The results as web pages."""
