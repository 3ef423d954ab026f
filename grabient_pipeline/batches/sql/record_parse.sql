INSERT OR REPLACE INTO answer_parses VALUES ($submission, $parser_version, now())
