"""Palette images: drawing them, and keeping the folder and the bucket complete."""
