"""Configuration: one YAML file per environment, and the code that loads and checks it."""
