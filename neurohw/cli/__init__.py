"""The command line: parse, call, print; a file per group of commands."""
