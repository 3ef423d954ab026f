"""What the providers share on the wire: errors, result rows, uploads and downloads."""
