"""The commands of `tendon`. Each is a module whose function `run` takes the command-line options by name.

A command that can't start raises SettingsError with a line for each problem, which gateway/cli.py prints.
"""
