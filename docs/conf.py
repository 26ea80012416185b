"""Builds this documentation: ``nox -s docs``."""

from importlib.metadata import version as installed_version

project = "mlflow_litellm"
author = "The mlflow_litellm developers"
release = version = installed_version("mlflow_litellm")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = "mlflow_litellm"
