"""How tables, figures, web pages and the terminal look. Knows nothing of the sections of a report."""
