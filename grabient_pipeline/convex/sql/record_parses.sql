-- What an older parser has read is read again with what is new. `taken` is a table of ours: submission, parser_version.
INSERT INTO answer_parses
SELECT submission, min(parser_version), now() FROM taken GROUP BY submission
ON CONFLICT (submission) DO UPDATE SET parser_version = least(answer_parses.parser_version, excluded.parser_version)
