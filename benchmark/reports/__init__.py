"""Reports: from the records of an experiment to tables, figures and pages.

``data`` reads the records and ``statistics`` computes. A report is a list of ``sections``, one file for everything that
a report says of one thing; ``rendering`` defines how tables, figures and pages look. ``report`` writes all sections,
``comparison`` compares two experiments, ``across`` strategies
across several.
"""

from benchmark.reports.across import compare_across, write_across
from benchmark.reports.commands import Address
from benchmark.reports.data import Report, read_report, report_of
from benchmark.reports.rendering.console import console_table
from benchmark.reports.report import notes_of, write, write_report, write_selection
from benchmark.reports.sections import left_out

__all__ = [
    "Address",
    "Report",
    "compare_across",
    "console_table",
    "left_out",
    "notes_of",
    "read_report",
    "report_of",
    "write",
    "write_across",
    "write_report",
    "write_selection",
]
