"""Importing palettes: from files and from Cloudflare D1, row by row, each palette once whatever its encoding."""
