"""Statistics, tables, figures and the results page of an experiment, from its lines on disk alone."""

from benchmark.reports.console import console_table
from benchmark.reports.page import Report, read_report, write_report

__all__ = ["Report", "console_table", "read_report", "write_report"]
