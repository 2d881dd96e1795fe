"""What the command line can be asked for, one module per kind, each from parsed arguments to an exit status.

``computing`` has run, replay and run-until-decided, ``reporting`` report, compare and export, ``checking`` verify and
doctor, ``listing`` the list; ``values`` reads the values of options, ``asked`` which runs the arguments mean.
"""
