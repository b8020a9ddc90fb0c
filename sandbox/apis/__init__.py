"""One folder for each Google API, one file for each resource. A file that defines ROUTES is served."""
