"""The page for people: plain HTML, CSS and JavaScript, which asks the service that it comes from and nobody else."""
