"""The command line, and the run of all stages in a row. A stage is imported when its command is called."""
