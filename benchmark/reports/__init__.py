"""What an experiment's lines become, from the lines on disk alone.

``statistics`` makes numbers of the lines; ``tables`` and ``figures`` show the numbers; ``web`` puts both on pages.
``report`` writes them all, ``findings`` says which there are, and ``compare`` sets two experiments side by side.
"""

from benchmark.reports.console import console_table
from benchmark.reports.report import Report, read_report, write_report

__all__ = ["Report", "console_table", "read_report", "write_report"]
