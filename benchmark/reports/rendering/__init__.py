"""How a report looks: tables, figures, web pages and the terminal. Knows nothing of what a report consists of."""
