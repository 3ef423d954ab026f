"""The simulated language models: what they read in a prompt, see in the colours, and answer."""
