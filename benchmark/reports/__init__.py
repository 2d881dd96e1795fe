"""What an experiment's lines become, from the lines on disk alone.

``data`` reads them and ``statistics`` makes numbers of them. A report is a list of ``sections``, each with everything
of one thing that is said; ``rendering`` knows how tables, figures and pages look. ``report`` writes all sections, and
``comparison`` sets two experiments side by side.
"""

from benchmark.reports.data import Report, read_report
from benchmark.reports.rendering.console import console_table
from benchmark.reports.report import notes_of, write_report

__all__ = ["Report", "console_table", "notes_of", "read_report", "write_report"]
