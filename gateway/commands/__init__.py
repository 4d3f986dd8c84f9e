"""What the commands of `tendon` do: a module each, whose `run` takes the options of the command line by name.

A command that can't start raises SettingsError with a line for each problem, which the command line prints.
"""
