"""The statistics that several sections share: curves, seeds, areas, intervals, tests, ranks. Numbers only."""
