"""The APIs of the providers, one module or package each."""
