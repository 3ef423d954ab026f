"""The results on their way out, for the site: one row a palette, in the formats that other programs take."""
