"""The boundary where text leaves the suite: escapes for files and figures, and the terminal.

Names come from anyone: strategies, plugins, data sets, classes, protocols, headers of other people's runs. No other
module escapes text.
"""
