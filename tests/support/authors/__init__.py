"""What the authors' own code chose on stored inputs, and ours on the same: a check for each file of golden/authors.

``tools/golden`` makes the files. A check takes the arrays of its file and raises AssertionError where the two differ.
"""
