"""What an experiment is, as data: protocol, recipe, feature settings, fingerprint. Importing it loads no engine."""

from benchmark.experiment.errors import ProtocolError
from benchmark.experiment.feature_settings import FeatureSettings
from benchmark.experiment.library import load, names
from benchmark.experiment.protocol import Model, Protocol, from_dict
from benchmark.experiment.recipe import Recipe

__all__ = ["FeatureSettings", "Model", "Protocol", "ProtocolError", "Recipe", "from_dict", "load", "names"]
