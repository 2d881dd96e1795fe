"""Parts that several methods are built from and that, unlike ``kernels``, know what a strategy and a pool are.

``monte_carlo``: strategies that read Monte-Carlo dropout · ``feature_space``: strategies that measure distances between
unit vectors · ``loss_prediction``: the module that learning loss and its semi-supervised variant train.
"""
