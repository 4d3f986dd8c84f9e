"""What the commands of `tendon` do: a module each, whose `run` takes the options of the command line by name."""
