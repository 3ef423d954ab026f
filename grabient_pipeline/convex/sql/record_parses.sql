-- A submission is reparsed if an older parser has read any of its answers. `accepted_answers` has submission and
-- parser_version.
INSERT INTO answer_parses
SELECT submission, min(parser_version), now() FROM accepted_answers GROUP BY submission
ON CONFLICT (submission) DO UPDATE SET parser_version = least(answer_parses.parser_version, excluded.parser_version)
