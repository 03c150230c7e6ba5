"""Drives a running server as users' scripts do: scenario [THEME...] [check_...]. One line of JSON for each check."""

import importlib
import sys

from harness import run_checks

THEMES = ("runs", "values", "artifacts", "data", "models", "registry", "autologging", "tracing", "commands")

asked = [word for word in sys.argv[1:] if not word.startswith("check_")] or THEMES
run_checks([importlib.import_module(theme) for theme in asked], [word for word in sys.argv[1:] if word.startswith("check_")])
