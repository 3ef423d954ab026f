"""What the providers share on the wire: errors, result rows, paging, uploads and downloads."""
