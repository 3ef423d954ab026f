-- Parameters: submission, parser_version.
INSERT OR IGNORE INTO answer_parses VALUES ($submission, $parser_version, now())
