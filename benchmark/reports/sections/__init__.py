"""The sections of a report: one file for everything that the report says of one thing.

To add a section, write ``<name>.py`` with a ``SECTION`` and list it in ``catalogue``.
"""
