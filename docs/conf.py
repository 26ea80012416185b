"""Builds this documentation: ``nox -s docs``."""

import os
from importlib.metadata import version as installed_version

project = "mlflow_litellm"
author = "The mlflow_litellm developers"
release = version = installed_version("mlflow_litellm")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
# Alerts are admonitions on a repository's pages as well; colons fence the tabs.
myst_enable_extensions = ["alert", "colon_fence"]
myst_heading_anchors = 3
nitpicky = True

# The notebook is stored without outputs. The build runs it, in a folder of its own.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
# MLflow and LiteLLM log their own start there.
nb_output_stderr = "remove"
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

html_theme = "furo"
html_title = f"mlflow_litellm {version}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
