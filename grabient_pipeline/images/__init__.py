"""Images of palettes: rendering them, and keeping the local folder and an optional bucket complete."""
