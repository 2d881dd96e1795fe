"""A report is a list of sections, each a file with everything of one thing that the report says.

To add one, write ``<name>.py`` with a ``SECTION`` in it, and list it in ``catalogue``.
"""
